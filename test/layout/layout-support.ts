import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { isRegistrishError, type RegistrishError } from '../../src/errors.ts'
import type { LayoutSource } from '../../src/layout/layout-source.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseManifest, references } from '../../src/oci/manifest.ts'
import type { Content, Source } from '../../src/oci/source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** Writes a file of that name into a folder that is gone after the test; its path. */
export async function temporaryFile(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(await makeTemporaryFolder(), name)
  await writeFile(path, bytes)
  return path
}

/** Closes a source after the test. */
export function closing<T extends LayoutSource>(source: T): T {
  onTestFinished(async () => source.close())
  return source
}

/** All bytes of an open stream. */
export async function collect(content: Content): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of content.body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The error of ours that a promise fails with. */
export async function failure(promise: Promise<unknown>): Promise<RegistrishError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (isRegistrishError(error)) return error
  throw error ?? new Error('it did not fail')
}

/** Reads an image, its children, configs and layers from a source, checking digest and size of each; the digests that were read. */
export async function readGraph(source: Source, root: Descriptor, repository = 'any'): Promise<readonly string[]> {
  const bytes = await collect(await source.open(repository, root, { kind: 'manifest' }))
  expectBytes(bytes, root)
  const read: string[] = [root.digest]
  const manifest = parseManifest(bytes)
  for (const child of references(manifest)) {
    if (manifest.kind === 'index') read.push(...(await readGraph(source, child, repository)))
    else {
      expectBytes(await collect(await source.open(repository, child, { kind: 'blob' })), child)
      read.push(child.digest)
    }
  }
  return read
}

function expectBytes(bytes: Uint8Array, { digest, size }: Descriptor): void {
  expect({ digest: digestOf(bytes, digest.startsWith('sha512') ? 'sha512' : 'sha256'), size: bytes.length }).toEqual({
    digest,
    size,
  })
}
