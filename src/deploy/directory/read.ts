import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileError, RegistrishError, systemCode, throwIfAborted } from '../../errors.ts'
import { algorithmOf, digestOf, hexOf } from '../../oci/digest.ts'
import type { CallOptions } from '../../oci/source.ts'
import { isFolderInside, statEntry } from '../../tree/files.ts'
import { PUBLIC } from '../../tree/layout.ts'
import { readRegular } from '../../tree/read-regular.ts'
import type { StoredContent, StoredHead } from '../store.ts'
import { digestInKey, fileOf } from './keys.ts'

/** An object's size and etag; undefined where there is no file of that key, or only one behind a link out of v2/. */
export function headFile(folder: string, key: string, { signal }: CallOptions = {}): StoredHead | undefined {
  throwIfAborted(signal)
  if (key.endsWith('/')) return undefined
  const file = fileOf(folder, key)
  try {
    const isHere = !key.startsWith(`${PUBLIC}/`) || isFolderInside(folder, dirname(key))
    const stats = isHere ? statEntry(folder, key) : undefined
    if (stats === undefined) return undefined
    return { size: Number(stats.size), etag: etagOf(key, file), keepsNoHeaders: true }
  } catch (error) {
    if (isGone(error)) return undefined
    throw fileError(error, 'read', file)
  }
}

/** A small object, whole. @throws RegistrishError `bad-answer` beyond `limit` bytes. */
export function getFile(
  folder: string,
  key: string,
  { limit, signal }: CallOptions & { readonly limit: number },
): StoredContent | undefined {
  const head = headFile(folder, key, signal === undefined ? {} : { signal })
  if (head === undefined) return undefined
  const file = fileOf(folder, key)
  try {
    const found = head.size > limit ? undefined : readRegular(file, limit)
    if (found === undefined)
      throw new RegistrishError('bad-answer', `${file} has more than ${limit} bytes`, { side: 'target' })
    const { bytes } = found
    return { size: bytes.length, etag: etagOfBytes(key, bytes), keepsNoHeaders: true, bytes }
  } catch (error) {
    if (isGone(error)) return undefined
    throw fileError(error, 'read', file)
  }
}

/** The etag of what a file holds, under a key: its SHA-256, which the key says of all that is large. @throws the system error of reading. */
export function etagOf(key: string, file: string): string {
  return etagOfKey(key) ?? hexOf(digestOf(readFileSync(file)))
}

/** The etag of bytes that are written under a key. */
function etagOfBytes(key: string, bytes: Uint8Array): string {
  return etagOfKey(key) ?? hexOf(digestOf(bytes))
}

function etagOfKey(key: string): string | undefined {
  const digest = digestInKey(key)
  if (digest === undefined) return undefined
  return algorithmOf(digest) === 'sha256' ? hexOf(digest) : `sha512-${hexOf(digest)}`
}

/** Whether a file went away since it was looked for. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error) ?? '')
}
