import { createCipheriv, createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { packTar, type TarEntry } from './tar.ts'

/** A layer before it is part of an image. */
export interface MadeLayer {
  /** What a registry holds: the compressed tar, or the tar itself. */
  readonly bytes: Uint8Array
  /** Digest of the uncompressed tar, for the config's `rootfs.diff_ids`. */
  readonly diffId: Digest
  readonly compression: 'gzip' | 'none'
  /** A foreign layer: its bytes are at these addresses and not in the registry. */
  readonly urls?: readonly string[]
}

/** Makes a layer that holds the given files, or one file made from `seed`; the same call gives the same bytes. */
export async function makeLayer(
  files: string | readonly TarEntry[] = 'layer',
  options: { readonly compression?: 'gzip' | 'none' } = {},
): Promise<MadeLayer> {
  const entries = typeof files === 'string' ? [{ name: `${files}.txt`, content: `made from ${files}\n` }] : files
  const tar = await packTar(entries)
  const { compression = 'gzip' } = options
  return { bytes: compression === 'gzip' ? gzipSync(tar) : tar, diffId: digestOf(tar), compression }
}

/** Makes the layer that engines write for a step that changes no file: a compressed tar without members. */
export function makeEmptyLayer(): MadeLayer {
  const tar = new Uint8Array(1024)
  return { bytes: gzipSync(tar), diffId: digestOf(tar), compression: 'gzip' }
}

/** Makes a layer whose blob has more than `size` bytes and does not compress. */
export async function makeBigLayer(size: number, seed = 'big'): Promise<MadeLayer> {
  return makeLayer([{ name: `${seed}.bin`, content: makeBlob(size, seed) }], { compression: 'none' })
}

/** Makes a foreign layer: a manifest names it with `urls`, and no registry holds it. */
export async function makeForeignLayer(url = 'https://layers.example.com/base.tar.gz'): Promise<MadeLayer> {
  return { ...(await makeLayer('foreign')), urls: [url] }
}

/** Makes `size` bytes that look random and depend on `seed` only: a cipher's key stream. */
export function makeBlob(size: number, seed = 'blob'): Uint8Array {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, new Uint8Array(16)).update(new Uint8Array(size))
}
