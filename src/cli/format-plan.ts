import type { Amount, DeployPlan, PlannedObject, PlannedTag } from '../deploy/report.ts'
import type { OutputFormat } from './command.ts'
import { formatSpan } from './duration.ts'
import { count, formatBytes, shortDigest } from './format.ts'

/** Lines of tags and of problems beyond which the rest is counted. */
const MOST_TAGS = 50
const MOST_PROBLEMS = 20

/** Whether carrying a plan out would change what is served. What only waits for its grace is no difference: every run until then would say so. */
export function hasDifferences({ tags, objects }: Pick<DeployPlan, 'tags' | 'objects'>): boolean {
  return tags.length > 0 || objects.some(({ action }) => action !== 'age')
}

/** Whether a plan must not be carried out. */
export function isRefused({ problems }: Pick<DeployPlan, 'problems'>): boolean {
  return problems.some(({ level }) => level === 'refuse')
}

/** A plan for people: its tags and one sentence. `grace` in ms. */
export function* formatPlan(plan: DeployPlan, { grace }: { readonly grace: number }): Generator<string> {
  yield* formatTags(plan.tags)
  yield formatAmounts(plan, { grace })
}

/** One line for each tag, at most 50: `+ alpine:latest sha256:0123456789ab`. */
function* formatTags(tags: readonly PlannedTag[]): Generator<string> {
  for (const tag of tags.slice(0, MOST_TAGS)) yield formatTag(tag)
  if (tags.length > MOST_TAGS) yield `and ${count(tags.length - MOST_TAGS, 'more tag')}`
}

const SIGNS: Readonly<Record<PlannedTag['change'], string>> = { new: '+', moved: '~', deleted: '-' }

/** `~ app:1.0 sha256:0123456789ab`. */
export function formatTag({ repository, tag, change, digest }: PlannedTag): string {
  return `${SIGNS[change]} ${repository}:${tag}${digest === undefined ? '' : ` ${shortDigest(digest)}`}`
}

/** A plan as one sentence: `s3://bucket: to send: 212 objects, 4.1 GB · to copy on the store: 10 · …`. `grace` in ms. */
export function formatAmounts(plan: DeployPlan, { grace }: { readonly grace: number }): string {
  const { target, send, copy, unchanged } = plan
  const deletions = formatDeletions(plan, grace)
  const rest = `${count(unchanged, 'object')} unchanged`
  if (!hasDifferences(plan)) return `${target}: no differences, ${rest}${deletions === '' ? '' : `; ${deletions}`}`
  const parts = [
    send.objects === 0 ? '' : `to send: ${formatAmount(send)}`,
    copy.objects === 0 ? '' : `to copy on the store: ${number(copy.objects)}`,
    deletions,
    unchanged === 0 ? '' : `unchanged: ${number(unchanged)}`,
  ]
  return `${target}: ${parts.filter(part => part !== '').join(' · ')}`
}

/** `212 objects, 4.1 GB`. */
export function formatAmount({ objects, bytes }: Amount): string {
  return `${count(objects, 'object')}, ${formatBytes(bytes)}`
}

function formatDeletions({ delete: now, age }: DeployPlan, grace: number): string {
  const parts = [
    now.objects === 0 ? '' : `${number(now.objects)} now`,
    age.objects === 0 ? '' : `${number(age.objects)} after ${formatSpan(grace)}`,
  ].filter(part => part !== '')
  return parts.length === 0 ? '' : `to delete: ${parts.join(', ')}`
}

/** Something to be known, and the way out. */
export interface Trouble {
  readonly text: string
  readonly hint?: string | undefined
}

/** A sentence for each, and the way out where the next one has another. */
export function* formatTroubles(troubles: readonly Trouble[]): Generator<string> {
  const shown = troubles.slice(0, MOST_PROBLEMS)
  for (const [index, { text, hint }] of shown.entries()) {
    const isLast = hint !== shown[index + 1]?.hint
    yield hint === undefined || !isLast ? text : `${text}\n  ${hint}`
  }
  if (troubles.length > shown.length) yield `and ${count(troubles.length - shown.length, 'more', 'more')}`
}

/** The problems of a plan, what refuses it first. */
export function* formatProblems({ problems }: Pick<DeployPlan, 'problems'>): Generator<string> {
  for (const [level, word] of [
    ['refuse', 'refused'],
    ['warn', 'warning'],
  ] as const) {
    const those = problems.filter(problem => problem.level === level)
    yield* formatTroubles(those.map(({ text, hint }) => ({ text: `${word}: ${text}`, hint })))
  }
}

/** What programs read. There may be more objects than fit into one text: each is a line of its own. */
export interface PlanDocument {
  readonly tags: readonly object[]
  readonly objects: readonly PlannedObject[]
  readonly rest: object
}

/** A document for programs, line by line: one JSON object, or with `ndjson` one a line, told apart by their `type`. */
export function* formatDocument(
  { tags, objects, rest }: PlanDocument,
  output: Exclude<OutputFormat, 'text'>,
): Generator<string> {
  if (output === 'ndjson') {
    for (const tag of tags) yield JSON.stringify({ type: 'tag', ...tag })
    for (const object of objects) yield JSON.stringify({ type: 'object', ...object })
    yield JSON.stringify({ type: 'summary', ...rest })
    return
  }
  const head = JSON.stringify({ ...rest, tags }, undefined, 2)
  yield `${head.slice(0, -2)},\n  "objects": [`
  for (const [index, object] of objects.entries())
    yield `    ${JSON.stringify(object)}${index === objects.length - 1 ? '' : ','}`
  yield '  ]\n}'
}

function number(value: number): string {
  return count(value, '', '').trim()
}
