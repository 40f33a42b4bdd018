import { join } from 'node:path'
import { RegistrishError } from '../errors.ts'
import type { LayoutSource } from '../layout/layout-source.ts'
import { openOciLayout } from '../layout/oci-layout.ts'
import { type Descriptor, isRecord } from '../oci/descriptor.ts'
import { asDigest } from '../oci/digest.ts'
import { parseTag } from '../oci/name.ts'
import { isLoopback } from '../oci/reference.ts'
import type { CallOptions, Content, OpenOptions, Source } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { copyBySkopeo, inspectDigest } from './skopeo-copy.ts'
import { type SkopeoName, skopeoArgument } from './skopeo-name.ts'
import { createPlace, type Place } from './skopeo-place.ts'
import { runSkopeo, type SkopeoRunOptions, sourceFlags } from './skopeo-run.ts'

/** How images are read through skopeo. */
export interface SkopeoOptions extends Omit<SkopeoRunOptions, 'signal' | 'temporary' | 'certDir'> {
  /** Folder for a temporary layout, on the tree's file system; made where it is missing. `close` removes what was made in it. */
  readonly folder: string
  /** Certificate authorities (PEM) for the registry. */
  readonly caFile?: string
  /** `false` takes plain HTTP and any certificate. Default: true, except for a registry on this machine. */
  readonly tlsVerify?: boolean
  /** Refuses an image whose digest skopeo cannot keep. Default false: a note says how it changes. */
  readonly requireDigest?: boolean
  readonly onProgress?: OnProgress
}

/** Images that skopeo reads. Close it: its temporary layout is as big as the images. */
export interface SkopeoSource extends Source {
  close(): Promise<void>
}

/**
 * Creates a {@link Source} that reads images of any skopeo transport (see {@link SkopeoName}). `repository` is ignored: there is one. `resolve` runs `skopeo copy` into a
 * temporary layout, once for each reference; `open` reads from there what was resolved. `tags` is there for `docker://` only. Nothing runs before the first call.
 * @throws RegistrishError from its methods: `tool-missing`, `tool-failed`, `unsupported` where a digest cannot be kept, and what skopeo's failure means.
 */
export function createSkopeoSource(name: SkopeoName, options: SkopeoOptions): SkopeoSource {
  const place = createPlace(options)
  const copier = createCopier(name, options, place)
  const resolved = new Map<string, Promise<Descriptor>>()
  let turn: Promise<unknown> = Promise.resolve()
  const source: SkopeoSource = {
    title: name.image,
    async resolve(_repository: string, reference: string, call: CallOptions = {}): Promise<Descriptor> {
      if (asDigest(reference) === undefined) parseTag(reference)
      const known = resolved.get(reference)
      if (known !== undefined) return known
      // One copy at a time: all write the same index.json, and find each other's blobs.
      const result = turn.then(async () => copier.copy(reference, call))
      resolved.set(reference, result)
      turn = result.catch(() => resolved.delete(reference))
      return result
    },
    async open(repository: string, descriptor: Descriptor, call: OpenOptions): Promise<Content> {
      const layout = copier.layout()
      if (layout !== undefined) return layout.open(repository, descriptor, call)
      const message = `${name.image}: nothing was resolved yet that names ${descriptor.digest}`
      throw new RegistrishError('not-found', message, { side: 'source' })
    },
    async close(): Promise<void> {
      await turn
      await copier.layout()?.close()
      await place.remove()
    },
  }
  if (name.transport !== 'docker') return source
  return {
    ...source,
    async tags(_repository: string, call: CallOptions = {}): Promise<readonly string[]> {
      return listTags(name, await runOptions(name, options, { place, call }))
    },
  }
}

/** Copies one image after the other into the temporary layout. */
interface Copier {
  copy(reference: string, call: CallOptions): Promise<Descriptor>
  /** The layout as it was after the last copy. */
  layout(): LayoutSource | undefined
}

function createCopier(name: SkopeoName, options: SkopeoOptions, place: Place): Copier {
  const { requireDigest = false, onProgress } = options
  let layout: LayoutSource | undefined
  let copies = 0
  return {
    async copy(reference: string, call: CallOptions): Promise<Descriptor> {
      const run = await runOptions(name, options, { place, call })
      copies += 1
      const target = { name, reference, layout: join(await place.folder(), 'layout'), tag: `image-${copies}` }
      const outcome = await copyBySkopeo(target, { ...run, requireDigest })
      layout = await openOciLayout(target.layout)
      const descriptor = await layout.resolve('', target.tag)
      if (!outcome.kept) {
        await noteChange(skopeoArgument(name, reference), { descriptor, run, onProgress, single: outcome.single })
      }
      const digest = asDigest(reference)
      return digest === undefined || digest === descriptor.digest ? descriptor : layout.resolve('', digest)
    },
    layout: (): LayoutSource | undefined => layout,
  }
}

async function runOptions(
  { reference }: SkopeoName,
  options: SkopeoOptions,
  { place, call }: { readonly place: Place; readonly call: CallOptions },
): Promise<SkopeoRunOptions> {
  const { command, authfile, retryTimes } = options
  const certDir = await place.certificates()
  return {
    tlsVerify: options.tlsVerify ?? !(reference !== undefined && isLoopback(reference.registry)),
    temporary: await place.folder(),
    ...(command === undefined ? {} : { command }),
    ...(authfile === undefined ? {} : { authfile }),
    ...(retryTimes === undefined ? {} : { retryTimes }),
    ...(certDir === undefined ? {} : { certDir }),
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  }
}

/** Says once what became of the image: it is another one by its digest. */
async function noteChange(image: string, { descriptor, run, onProgress, single }: Change): Promise<void> {
  const from = await inspectDigest(image, run)
  const change = from === undefined ? `to ${descriptor.digest}` : `from ${from} to ${descriptor.digest}`
  const part = single ? 'only the image for this machine is taken from its index, and ' : ''
  onProgress?.({
    type: 'note',
    text: `${image}: ${part}its layers are compressed anew, so the digest changes ${change}`,
  })
}

interface Change {
  readonly descriptor: Descriptor
  readonly single: boolean
  readonly run: SkopeoRunOptions
  readonly onProgress: OnProgress | undefined
}

async function listTags(name: SkopeoName, run: SkopeoRunOptions): Promise<readonly string[]> {
  const doing = `skopeo cannot list the tags of ${name.image}`
  const result = await runSkopeo(['list-tags', ...sourceFlags(run, ''), name.image], doing, run)
  if (!result.ok) throw result.error
  let answer: unknown
  try {
    answer = JSON.parse(new TextDecoder().decode(result.output))
  } catch (cause) {
    throw new RegistrishError('tool-failed', `${doing}: its answer is not JSON`, { side: 'source', cause })
  }
  const tags = isRecord(answer) ? (answer['Tags'] ?? []) : undefined
  if (Array.isArray(tags) && tags.every(tag => typeof tag === 'string')) return tags
  throw new RegistrishError('tool-failed', `${doing}: its answer has no list "Tags"`, { side: 'source' })
}
