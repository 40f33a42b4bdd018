import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { createSkopeoSource, type SkopeoOptions, type SkopeoSource } from '../../src/fetch/skopeo.ts'
import { parseSkopeoName } from '../../src/fetch/skopeo-name.ts'
import { algorithmOf, type Digest, digestOf } from '../../src/oci/digest.ts'
import type { Source } from '../../src/oci/source.ts'
import type { ProgressEvent } from '../../src/progress.ts'
import { type Graph, mediaTypeOf } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** The real program. */
export const SKOPEO = 'skopeo'

/** A source on skopeo that is closed after the test, and what it reported. */
export interface OpenedSkopeo {
  readonly source: SkopeoSource
  readonly folder: string
  readonly notes: readonly string[]
}

/** Opens a source for an argument of `--via skopeo`; it retries nothing unless told to. */
export async function openSkopeo(text: string, options: Partial<SkopeoOptions> = {}): Promise<OpenedSkopeo> {
  const folder = join(await makeTemporaryFolder(), 'made on demand')
  const notes: string[] = []
  const onProgress = (event: ProgressEvent): void => {
    if (event.type === 'note') notes.push(event.text)
  }
  const source = createSkopeoSource(parseSkopeoName(text), { folder, retryTimes: 0, onProgress, ...options })
  onTestFinished(async () => source.close())
  return { source, folder, notes }
}

/** Writes a program that stands in for skopeo: it notes its arguments, one a line, and does what the shell lines say. */
export async function makeFakeSkopeo(
  ...lines: readonly string[]
): Promise<{ readonly command: string; arguments(): Promise<readonly string[]> }> {
  const folder = await makeTemporaryFolder()
  const [command, log] = [join(folder, 'skopeo'), join(folder, 'arguments')]
  await writeFile(command, ['#!/bin/sh', `printf '%s\\n' "$@" >> '${log}'`, ...lines, ''].join('\n'))
  await chmod(command, 0o755)
  return { command, arguments: async () => (await readFile(log, 'utf8')).split('\n').slice(0, -1) }
}

/** Reads every manifest and blob of a graph from a source and compares the bytes. */
export async function expectGraph(source: Source, graph: Graph): Promise<void> {
  for (const [kind, map] of [
    ['manifest', graph.manifests],
    ['blob', graph.blobs],
  ] as const) {
    for (const [digest, bytes] of map) {
      const mediaType = kind === 'manifest' ? mediaTypeOf(bytes) : 'application/octet-stream'
      expect(await readDigest(source, { mediaType, digest, size: bytes.length }, kind)).toBe(digest)
    }
  }
}

async function readDigest(
  source: Source,
  descriptor: { readonly mediaType: string; readonly digest: Digest; readonly size: number },
  kind: 'manifest' | 'blob',
): Promise<Digest> {
  const chunks: Uint8Array[] = []
  for await (const chunk of (await source.open('any', descriptor, { kind })).body) chunks.push(chunk)
  return digestOf(Buffer.concat(chunks), algorithmOf(descriptor.digest))
}
