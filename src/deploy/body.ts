import { readFileSync } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { fileError, RegistrishError, throwIfAborted } from '../errors.ts'
import { algorithmOf, createDigester, type Digest, digestOf, hexOf } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import { hashFile } from '../tree/hash-file.ts'
import type { NewObject } from './store.ts'

/** An object's bytes, made ready to be sent in one request, once or again. */
export interface Payload {
  /** SHA-256 of the bytes in hex, which is signed with the request. */
  readonly sha256: string
  /** The bytes, from the first on. */
  open(): Uint8Array | AsyncIterable<Uint8Array>
}

/** An object whose bytes are in a file. */
export type FileObject = NewObject & { readonly body: { readonly file: string } }

export function isFile(object: NewObject): object is FileObject {
  return 'file' in object.body
}

export interface PayloadOptions extends CallOptions {
  /** Whether the store refuses bytes that are not those of the hash that was signed. */
  readonly isChecked: () => Promise<boolean>
}

/** Files up to this size are read at once, in bytes: handing them to another thread takes longer than reading them. */
const TINY = 64 * 1024
/** Files up to this size are held in memory while they are sent, in bytes. */
const SMALL = 1024 * 1024
/** Bytes read from a file at once. */
const PIECE = 512 * 1024

/** @throws RegistrishError `digest-mismatch` or `size-mismatch` of side `source`, and whatever a file that cannot be read gives. */
export async function preparePayload(object: NewObject, { isChecked, signal }: PayloadOptions): Promise<Payload> {
  const { body, size } = object
  if ('bytes' in body) return wholePayload(body.bytes, object)
  if (size <= SMALL) return wholePayload(await readWhole(body.file, size), object)
  const sha256 = await sha256Of(body.file, object, { ...(signal === undefined ? {} : { signal }) })
  const digest = (await isChecked()) ? undefined : sha256
  return { sha256: hexOf(sha256), open: () => readPieces(body.file, { size, digest, signal }) }
}

function wholePayload(bytes: Uint8Array, object: NewObject): Payload {
  const { size, digest, key } = object
  const name = nameOf(object)
  if (bytes.length !== size) throw otherSize(name, size)
  const sha256 = digestOf(bytes)
  if (digest !== undefined && digest !== sha256 && digestOf(bytes, algorithmOf(digest)) !== digest) {
    throw otherBytes(name, digest)
  }
  // An object of that kind holds nothing (S3 console's folders); some stores make a folder of it.
  if (key.endsWith('/') && size > 0) throw new TypeError(`an object of the key ${key} cannot have bytes`)
  return { sha256: hexOf(sha256), open: () => bytes }
}

async function readWhole(file: string, size: number): Promise<Uint8Array> {
  try {
    return size <= TINY ? readFileSync(file) : await readFile(file)
  } catch (error) {
    throw fileError(error, 'read', file, 'source')
  }
}

/** The digest that is signed: the object's own, or, where that is of another kind, one that is computed before. */
async function sha256Of(file: string, { size, digest }: NewObject, options: CallOptions): Promise<Digest> {
  if (digest?.startsWith('sha256:') === true) return digest
  try {
    if (digest !== undefined && (await hashFile(file, { size, algorithm: algorithmOf(digest) }, options)) !== digest) {
      throw otherBytes(file, digest)
    }
    return await hashFile(file, { size, algorithm: 'sha256' }, options)
  } catch (error) {
    throw fileError(error, 'read', file, 'source')
  }
}

interface Reading {
  readonly size: number
  /** What the bytes are hashed for; undefined: nobody has to. */
  readonly digest: Digest | undefined
  readonly signal?: AbortSignal | undefined
  readonly piece?: number
}

/** The bytes of a file in pieces of their own memory. The last is given only once all are known to be right, so that no request with others ever ends well. */
export async function* readPieces(file: string, reading: Reading): AsyncGenerator<Uint8Array, void> {
  const { size, digest, signal, piece = PIECE } = reading
  const digester = digest === undefined ? undefined : createDigester(algorithmOf(digest))
  let handle: FileHandle | undefined
  try {
    handle = await open(file, 'r')
    let [held, read]: [Uint8Array | undefined, number] = [undefined, 0]
    for (;;) {
      throwIfAborted(signal)
      const buffer = Buffer.allocUnsafeSlow(Math.min(piece, size - read + 1))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) break
      read += bytesRead
      if (read > size) throw otherSize(file, size)
      const chunk = buffer.subarray(0, bytesRead)
      digester?.update(chunk)
      if (held !== undefined) yield held
      held = chunk
    }
    if (read !== size) throw otherSize(file, size)
    if (digest !== undefined && digester?.digest() !== digest) throw otherBytes(file, digest)
    if (held !== undefined) yield held
  } catch (error) {
    throw fileError(error, 'read', file, 'source')
  } finally {
    await handle?.close()
  }
}

function nameOf({ body, key }: NewObject): string {
  return 'file' in body ? body.file : key
}

function otherSize(name: string, size: number): RegistrishError {
  return new RegistrishError('size-mismatch', `${name} is not of ${size} bytes any more`, {
    side: 'source',
    hint: REPAIR,
  })
}

function otherBytes(name: string, digest: Digest): RegistrishError {
  return new RegistrishError('digest-mismatch', `${name} does not hold the bytes of ${digest}`, {
    side: 'source',
    hint: REPAIR,
  })
}

const REPAIR = 'registrish verify --repair moves it aside; fetch it again then'
