import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { CopyOptions, CopyReport, CopyRequest } from '../../src/copy/context.ts'
import { copyImages } from '../../src/copy/copy.ts'
import { isRegistrishError, type RegistrishError } from '../../src/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Source } from '../../src/oci/source.ts'
import type { ProgressEvent } from '../../src/progress.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import type { BlobWriter, Tree } from '../../src/tree/tree.ts'
import type { Graph } from '../support/made-images.ts'

/** A request for `app:latest`, or what differs from it; the repository bears the same name in the tree. */
export function request(options: Partial<CopyRequest> = {}): CopyRequest {
  const { repository = 'app', reference = 'latest', target = repository, ...rest } = options
  return { repository, reference, target, ...rest }
}

/** Copies with a tree of its own, as a process does; `requests` default to `app:latest`. */
export async function copyInto(
  root: string,
  source: Source,
  requests: readonly CopyRequest[] = [request()],
  options: CopyOptions = {},
): Promise<CopyReport> {
  return copyImages(source, openTree(root), requests, options)
}

/** Copies `app:latest` and expects it to be refused, by the report or by a throw; gives the error. */
export async function copyError(root: string, source: Source, options: CopyOptions = {}): Promise<RegistrishError> {
  return errorOf(copyInto(root, source, [request()], options))
}

/** The error of a copy of one request. */
export async function errorOf(copying: Promise<CopyReport>): Promise<RegistrishError> {
  const error: unknown = await copying.then(
    report => report.results[0]?.error,
    (cause: unknown) => cause,
  )
  if (!isRegistrishError(error)) throw new Error(`a RegistrishError was expected: ${String(error)}`, { cause: error })
  return error
}

/** Expects every request of a copy to have gone well. */
export function expectDone(report: CopyReport): void {
  for (const {
    request: { repository, reference },
    error,
  } of report.results) {
    expect(error, `${repository}:${reference}`).toBeUndefined()
  }
}

/** The published files, with their bytes as hex. */
export async function publicFiles(root: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(root, 'v2')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const paths = entries.filter(entry => !entry.isDirectory()).map(entry => join(entry.parentPath, entry.name))
  const files = paths.sort().map(async path => {
    return [path.slice(folder.length + 1), (await readFile(path)).toString('hex')] as const
  })
  return new Map(await Promise.all(files))
}

/** The files that a repository has to hold once these graphs are copied: each manifest and blob at each of its digests, each root at its tags. */
export function expectedFiles(
  repository: string,
  ...held: readonly (readonly [graph: Graph, ...tags: readonly string[]])[]
): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const [graph, ...tags] of held) {
    const root = graph.manifests.get(graph.root.digest) ?? new Uint8Array()
    for (const tag of tags) files.set(`${repository}/manifests/${tag}`, hex(root))
    for (const [digest, bytes] of graph.manifests) files.set(`${repository}/manifests/${digest}`, hex(bytes))
    for (const [digest, bytes] of graph.blobs) files.set(`${repository}/blobs/${digest}`, hex(bytes))
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What a watched tree may do instead of, or before, what it is told. */
export interface TreeHooks {
  readonly putManifest?: (repository: string, bytes: Uint8Array) => void | Promise<void>
  readonly write?: (digest: Digest, chunk: Uint8Array) => void | Promise<void>
}

/** A tree that notes what became visible, in order: `blob app sha256:…`, `manifest app sha256:…`, `tag app latest`. */
export function watchTree(root: string, hooks: TreeHooks = {}): Tree & { readonly seen: readonly string[] } {
  const tree = openTree(root)
  const seen: string[] = []
  return {
    ...tree,
    seen,
    async putManifest(repository, bytes, digest) {
      await hooks.putManifest?.(repository, bytes)
      await tree.putManifest(repository, bytes, digest)
      const { digest: stored } = (await tree.manifest(repository, digest ?? '')) ?? { digest }
      seen.push(`manifest ${repository} ${stored}`)
    },
    async linkBlob(repository, descriptor) {
      const linked = await tree.linkBlob(repository, descriptor)
      if (linked) seen.push(`blob ${repository} ${descriptor.digest}`)
      return linked
    },
    async writeBlob(repository, descriptor, options) {
      const writer = await tree.writeBlob(repository, descriptor, options)
      const watched: BlobWriter = {
        get offset() {
          return writer.offset
        },
        restart: () => writer.restart(),
        async write(chunk) {
          await hooks.write?.(descriptor.digest, chunk)
          await writer.write(chunk)
        },
        async commit() {
          await writer.commit()
          seen.push(`blob ${repository} ${descriptor.digest}`)
        },
        stage: () => writer.stage(),
        close: () => writer.close(),
      }
      return watched
    },
    async tag(repository, tag, digest) {
      const changed = await tree.tag(repository, tag, digest)
      seen.push(`tag ${repository} ${tag}`)
      return changed
    },
  }
}

/** Collects progress events. */
export function collectProgress(): { readonly events: ProgressEvent[]; onProgress(event: ProgressEvent): void } {
  const events: ProgressEvent[] = []
  return { events, onProgress: event => void events.push(event) }
}

/** The texts of the notes among progress events. */
export function notesOf(events: readonly ProgressEvent[]): readonly string[] {
  return events.flatMap(event => (event.type === 'note' ? [event.text] : []))
}

/** The bytes of a manifest as JSON. */
export function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
