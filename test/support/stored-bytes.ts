import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { NewObject, ObjectBody } from '../../src/deploy/store.ts'
import { fileError, RegistrishError } from '../../src/errors.ts'
import { algorithmOf, digestOf } from '../../src/oci/digest.ts'

/** How a store makes etags. */
export interface EtagOptions {
  /** `opaque`: a new one for every write, as with SSE-KMS; `beside`: the same, and listings state the MD5, as Azure's do. Default `md5`. */
  readonly etags?: 'md5' | 'opaque' | 'beside'
  /** Objects of more bytes than this have the etags of uploads in parts of this size. Default: none have. */
  readonly partSize?: number
}

/** The bytes of a body, a copy. */
export async function readBody(body: ObjectBody): Promise<Uint8Array> {
  if ('bytes' in body) return Uint8Array.from(body.bytes)
  return readFile(body.file).catch((error: unknown) => {
    throw fileError(error, 'read', body.file, 'source')
  })
}

/** Throws unless bytes are what an object is to be. */
export function checkBytes({ key, size, digest }: NewObject, bytes: Uint8Array): void {
  if (bytes.length !== size) {
    throw new RegistrishError('size-mismatch', `${key} has ${bytes.length} bytes, not ${size}`, { side: 'source' })
  }
  if (digest !== undefined && digestOf(bytes, algorithmOf(digest)) !== digest) {
    throw new RegistrishError('digest-mismatch', `${key} is not ${digest}`, { side: 'source' })
  }
}

/** The etag of an object that is written. */
export function etagOf(bytes: Uint8Array, { etags, partSize = Number.POSITIVE_INFINITY }: EtagOptions = {}): string {
  written += 1
  if (etags === 'opaque' || etags === 'beside') return md5(Buffer.from(`write ${written}`)).toString('hex')
  if (bytes.length <= partSize) return md5(bytes).toString('hex')
  const parts: Buffer[] = []
  for (let start = 0; start < bytes.length; start += partSize) parts.push(md5(bytes.subarray(start, start + partSize)))
  return `${md5(Buffer.concat(parts)).toString('hex')}-${parts.length}`
}

/** What a listing states of an object's bytes beside its etag. */
export function sumOf(bytes: Uint8Array, { etags }: EtagOptions): { readonly md5?: string } {
  return etags === 'beside' ? { md5: md5(bytes).toString('hex') } : {}
}

function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}

let written = 0
