import type { ProofReport } from '../deploy/proof-report.ts'
import type { PublicHost } from '../deploy/public-host.ts'
import type { PlannedTag } from '../deploy/report.ts'
import type { LiveTags } from '../deploy/site/live.ts'
import type { SiteMeasure } from '../emit/measure-site.ts'
import { isRegistrishError, type RegistrishError } from '../errors.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import type { RunContext } from './command.ts'
import { count, formatBytes, formatDuration, formatError } from './format.ts'
import { formatChanges, formatProof, formatProofTroubles, pullOf } from './format-deploy.ts'
import { formatDocument } from './format-plan.ts'
import type { SiteEngine } from './site-engine.ts'
import { formatVanishing, type TreeTags, type Vanishing } from './site-live.ts'
import type { SiteTarget } from './targets/target.ts'

/** A site that is or would be published. */
export interface ToldSite {
  readonly target: SiteTarget
  readonly measure: SiteMeasure
  readonly tags: TreeTags
  /** undefined where it is not known what is served now. */
  readonly vanishing: Vanishing | undefined
  readonly host: PublicHost | undefined
}

/** What came of fetching back, or why that could not be done. */
export type SiteProof = ProofReport | RegistrishError

/** Whether everything was fetched back as it should be. */
export function isProved(proof: SiteProof): proof is ProofReport {
  return 'failures' in proof && proof.failures.length === 0
}

/** Prints what would be published. */
export function tellPlanned(told: ToldSite, { output, print }: RunContext): void {
  const phrase = told.vanishing === undefined ? undefined : formatVanishing(told.vanishing)
  if (output === 'text') {
    print(`${nameOf(told)}: to publish as a whole: ${amountOf(told)}`)
    if (phrase !== undefined) print(`${nameOf(told)}: to vanish: ${phrase}`)
  } else for (const line of formatDocument(documentOf(told, {}), output)) print(line)
}

/** Prints what was published: the lines to pull it by, or what proved wrong. */
export function tellPublished(
  told: ToldSite & { readonly milliseconds: number; readonly proof: SiteProof | undefined },
  context: RunContext,
): void {
  const { host, milliseconds, proof, tags } = told
  const { output, print, say } = context
  say(`${nameOf(told)}: published ${amountOf(told)} in ${formatDuration(milliseconds)}`)
  if (output !== 'text') {
    const proved = proof === undefined ? {} : { proof: proofDocument(proof) }
    for (const line of formatDocument(documentOf(told, { ...proved, milliseconds }), output)) print(line)
    return
  }
  if (proof !== undefined && !isProved(proof)) return
  if (host !== undefined) for (const line of formatChanges(tags.tags.map(asPlanned), host.host)) print(line)
  if (proof !== undefined) return
  const pulls = host === undefined ? 'to be told what to type, and to ' : 'to '
  say(`${pulls}have images fetched back as clients do: --url HOST, the host that users pull from`)
}

/** What fetching back works with. */
interface Proving {
  readonly tree: ReadonlyTree
  readonly engine: SiteEngine
  readonly context: RunContext
  readonly asking: { readonly jobs: number; readonly caFile?: string; readonly authFile?: string }
}

/** Fetches images back from where users pull them: those that were not there before, and some others. */
export async function proveSite(
  { target, tags, host, live }: ToldSite & { readonly host: PublicHost; readonly live: LiveTags | undefined },
  { tree, engine, context, asking }: Proving,
): Promise<SiteProof | undefined> {
  const { signal, onProgress, say, complain } = context
  const isNew = ({ repository, tag }: TreeTags['tags'][number]): boolean => live?.get(repository)?.has(tag) !== true
  const fresh = live === undefined ? [] : tags.tags.filter(isNew)
  const chosen = [...fresh, ...tags.tags.filter(tag => !fresh.includes(tag)).slice(0, SAMPLE)].map(asPlanned)
  if (chosen.length === 0) return undefined
  try {
    const setup = `docs/hosts/${target.host}.md`
    const proof = await engine.proveImages(tree, {
      ...asking,
      host,
      setup,
      tags: chosen,
      objects: [],
      signal,
      onProgress,
    })
    for (const line of formatProofTroubles(proof)) complain(line)
    if (isProved(proof)) say(formatProof(proof))
    else complain(`registrish: published, but clients cannot pull all of it from ${host.origin}`)
    return proof
  } catch (error) {
    if (!isRegistrishError(error) || error.code === 'aborted') throw error
    complain(`registrish: published, but images could not be fetched back: ${formatError(error)}`)
    return error
  }
}

const SAMPLE = 10

function nameOf({ target, measure }: ToldSite): string {
  return target.site === undefined ? measure.title : `${measure.title} ${target.site}`
}

function amountOf({ measure, tags }: ToldSite): string {
  const { files, bytes } = measure
  const images = `${count(tags.tags.length, 'tag')} of ${count(tags.repositories.length, 'repository', 'repositories')}`
  return `${images}, ${count(files, 'file')}, ${formatBytes(bytes)}`
}

/** All tags are published, whether they are new there or not. */
function asPlanned(tag: TreeTags['tags'][number]): PlannedTag {
  return { ...tag, change: 'new' }
}

function documentOf(
  { target, measure, tags, vanishing, host }: ToldSite,
  more: object,
): Parameters<typeof formatDocument>[0] {
  const pulled = (tag: TreeTags['tags'][number]): object => {
    const pull = host === undefined ? undefined : pullOf(asPlanned(tag), host.host)
    return { ...tag, ...(pull === undefined ? {} : { pull }) }
  }
  const { repositories, tags: gone } = vanishing ?? {}
  const rest = {
    target: target.flags.replace(/^--/, ''),
    ...(host === undefined ? {} : { url: host.origin }),
    ...measure,
    ...(vanishing === undefined ? {} : { vanishing: { repositories, tags: gone } }),
    ...more,
  }
  return { tags: tags.tags.map(pulled), objects: [], rest }
}

function proofDocument(proof: SiteProof): object {
  if ('failures' in proof) return proof
  const { code, message, hint } = proof
  return { error: { code, message, hint } }
}
