import type { ProofReport } from '../deploy/proof-report.ts'
import type { DeployReport, PlannedTag } from '../deploy/report.ts'
import { taggedDigest } from '../oci/referrers.ts'
import { formatSpan } from './duration.ts'
import { count, formatBytes, formatDuration } from './format.ts'
import { formatAmount, formatTag, formatTroubles } from './format-plan.ts'

/** Lines of a kind beyond which the rest is counted. */
const MOST_LINES = 20

/** What is typed to pull a tag; undefined for what nobody pulls: deleted tags, signatures, lists of referrers. */
export function pullOf({ repository, tag, change }: PlannedTag, host: string): string | undefined {
  if (change === 'deleted' || taggedDigest(tag) !== undefined) return undefined
  return `docker pull ${host}/${repository}:${tag}`
}

/** What a deploy changed, as what is typed to see it: a pull line for each changed tag, and deleted ones; without a host all as `plan` shows them. */
export function formatChanges(tags: readonly PlannedTag[], host: string | undefined): readonly string[] {
  if (host === undefined) return cut(tags.map(formatTag), 'tag')
  const pulls = tags.flatMap(tag => pullOf(tag, host) ?? [])
  const gone = tags.filter(({ change }) => change === 'deleted').map(formatTag)
  return [...cut(gone, 'deleted tag'), ...cut(pulls, 'tag')]
}

/** URLs, the rest counted. */
export function formatStale(urls: readonly string[]): readonly string[] {
  return cut(urls, 'URL')
}

/** What was done, in one sentence; `milliseconds` is how long it took, `grace` what the plan went by. */
export function formatDone(
  { plan, sent, copied, deleted }: DeployReport,
  { milliseconds, grace }: { readonly milliseconds: number; readonly grace: number },
): string {
  const parts = [
    sent.objects === 0 ? '' : `sent ${formatAmount(sent)}`,
    copied.objects === 0 ? '' : `copied ${count(copied.objects, 'object')} on the store`,
    deleted.objects === 0 ? '' : `deleted ${count(deleted.objects, 'object')}`,
  ].filter(part => part !== '')
  const done = parts.length === 0 ? 'changed nothing' : parts.join(', ')
  const later = plan.age.objects === 0 ? '' : `; to delete after ${formatSpan(grace)}: ${plan.age.objects}`
  return `${plan.target}: ${done} in ${formatDuration(milliseconds)}${later}`
}

/** What was fetched back. */
export function formatProof({ origin, images, manifests, blobsRead, bytesRead, blobsSeen }: ProofReport): string {
  const read = blobsRead === 0 ? '' : `, ${count(blobsRead, 'blob')} of ${formatBytes(bytesRead)} read`
  const seen = blobsSeen === 0 ? '' : `, ${count(blobsSeen, 'blob')} seen there`
  return `fetched back from ${origin}: ${count(images, 'image')}, ${count(manifests, 'manifest')}${read}${seen}`
}

/** What was wrong with what was fetched back. */
export function* formatProofTroubles({ warnings, failures }: ProofReport): Generator<string> {
  for (const [problems, word] of [
    [failures, 'not as it should be'],
    [warnings, 'warning'],
  ] as const) {
    yield* formatTroubles(problems.map(({ url, text, hint }) => ({ text: `${word}: ${url}: ${text}`, hint })))
  }
}

function cut(lines: readonly string[], what: string): readonly string[] {
  if (lines.length <= MOST_LINES) return lines
  return [
    ...lines.slice(0, MOST_LINES),
    `and ${count(lines.length - MOST_LINES, `more ${what}`)}: --output json has all`,
  ]
}
