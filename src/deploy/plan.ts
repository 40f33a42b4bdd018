import { RegistrishError } from '../errors.ts'
import { compareText } from './compare-text.ts'
import type { WantedObject } from './content.ts'
import { tagOf } from './content.ts'
import type { StoreDocument } from './documents.ts'
import type { PlannedObjects, PlannedWrite } from './plan-objects.ts'
import type { Amount, DeployPlan, PlannedObject, PlannedTag, PlanProblem } from './report.ts'
import type { NewObject, ObjectStore } from './store.ts'

/** What a plan is told from. */
export interface Planned {
  readonly store: ObjectStore
  readonly objects: PlannedObjects
  readonly documents: readonly StoreDocument[]
  /** Whether others have filled the store: then its constants come last. */
  readonly isForeign: boolean
  /** Documents that need nothing. */
  readonly settled: number
  readonly problems: readonly PlanProblem[]
  readonly deletions: readonly PlannedObject[]
  readonly deletedTags: readonly PlannedTag[]
}

/** Tells what is going to happen, in the order in which it happens. */
export function describePlan(planned: Planned): DeployPlan {
  const { store, objects, documents, deletions, isForeign } = planned
  const constants = objects.constants.map(describeWrite)
  const files = [...objects.writes].sort(byOrder).map(describeWrite)
  const tagged = objects.writes.filter(({ object }) => object.kind === 'tag')
  const firstTag = files.length - tagged.length
  const all: readonly PlannedObject[] = [
    ...(isForeign ? [] : constants),
    ...files.slice(0, firstTag),
    ...documents.filter(isList).map(describeDocument),
    ...files.slice(firstTag),
    ...documents.filter(document => !isList(document)).map(describeDocument),
    ...(isForeign ? constants : []),
    ...deletions,
  ]
  const tags = [...tagged.map(describeTag), ...planned.deletedTags]
  return {
    target: store.title,
    tags: tags.sort(byName),
    objects: all,
    send: amountOf(all, 'send'),
    copy: amountOf(all, 'copy'),
    delete: amountOf(all, 'delete'),
    age: amountOf(all, 'age'),
    unchanged: objects.unchanged + planned.settled,
    problems: [...planned.problems, ...limitProblems(store, objects)],
  }
}

/** Orders tags by repository, then by name. */
export function byName(a: PlannedTag, b: PlannedTag): number {
  return compareText(a.repository, b.repository) || compareText(a.tag, b.tag)
}

/** @throws RegistrishError where a plan must not be carried out, with the code of the first reason. */
export function refusePlan({ problems }: DeployPlan): void {
  const refused = problems.filter(({ level }) => level === 'refuse')
  const [first] = refused
  if (first === undefined) return
  const hints = [...new Set(refused.flatMap(({ hint }) => hint ?? []))]
  throw new RegistrishError(first.code, refused.map(({ text }) => text).join('; '), {
    side: first.side ?? (first.code === 'limit' ? 'target' : 'source'),
    ...(hints.length === 0 ? {} : { hint: hints.join('; ') }),
  })
}

/** What is pointed to before what points to it: blobs, the largest first since they take longest, copies after what they are of; manifests by level; tags. */
export function byOrder(a: PlannedWrite, b: PlannedWrite): number {
  return rank(a) - rank(b) || b.object.size - a.object.size || compareText(a.object.key, b.object.key)
}

/** Equal for what may be written at once. */
export function rank({ object, from }: PlannedWrite): number {
  if (object.kind === 'blob') return from === undefined ? 0 : 1
  return object.kind === 'tag' ? Number.MAX_SAFE_INTEGER : 1 + object.level
}

/** Whether a document is one that tags need. */
export function isList({ kind }: StoreDocument): boolean {
  return kind === 'referrers' || kind === 'fallback'
}

function describeWrite({ object, change, from }: PlannedWrite | PlannedWrite<NewObject>): PlannedObject {
  return { key: object.key, action: from === undefined ? 'send' : 'copy', change, size: object.size }
}

function describeDocument({ head, change, expected }: StoreDocument): PlannedObject {
  return { key: head.key, action: 'send', change, size: expected.length }
}

function describeTag({ object, change }: PlannedWrite): PlannedTag {
  const { repository, key, digest } = object
  return { repository, tag: tagOf(key), change: change === 'new' ? 'new' : 'moved', digest }
}

function amountOf(objects: readonly PlannedObject[], action: PlannedObject['action']): Amount {
  const those = objects.filter(object => object.action === action)
  return { objects: those.length, bytes: those.reduce((sum, { size }) => sum + size, 0) }
}

function limitProblems({ title, limits }: ObjectStore, { writes }: PlannedObjects): readonly PlanProblem[] {
  const refuse = (text: string, hint: string): PlanProblem => ({ level: 'refuse', code: 'limit', text, hint })
  const tooLarge = (object: WantedObject): PlanProblem =>
    refuse(
      `${object.key} has ${object.size} bytes; ${title} takes ${limits.largestObject} at most`,
      'leave the image out (registrish remove), or build it with smaller layers',
    )
  const tooLong = (object: WantedObject): PlanProblem =>
    refuse(
      `the key of ${object.key} is longer than the ${limits.longestKey} bytes that ${title} takes`,
      'fetch the image under a shorter name with --as',
    )
  const forbidden = new Map(
    writes.flatMap(({ object: { key, repository } }) => {
      const reason = limits.forbidden?.(key)
      return reason === undefined ? [] : [[repository, reason] as const]
    }),
  )
  const inexpressible = [...forbidden].map(([repository, reason]) =>
    refuse(
      `${title} cannot hold the images of ${repository}: ${reason}`,
      'fetch them under another name with --as, and leave these out (registrish remove)',
    ),
  )
  const tooMuch = writes.flatMap(({ object }) => [
    ...(object.size > limits.largestObject ? [tooLarge(object)] : []),
    ...(Buffer.byteLength(object.key) > limits.longestKey ? [tooLong(object)] : []),
  ])
  return [...inexpressible, ...tooMuch]
}
