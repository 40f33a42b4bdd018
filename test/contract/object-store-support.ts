import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { NewObject, ObjectStore, StoredHead, StoredPage } from '../../src/deploy/store.ts'
import { type ErrorCode, isRegistrishError, type Side } from '../../src/errors.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/* What the tests of an ObjectStore are made with. */

/** A store to be tried, empty, and a way to look behind it. */
export interface OpenedStore {
  readonly store: ObjectStore
  /** Uploads that were begun and neither completed nor aborted, where that can be told. */
  uploads?(): Promise<number>
  /** The access list that an object was written with; undefined where it was none. For stores that are opened with one. */
  acl?(key: string): Promise<string | undefined>
  /** Removes what was made for it, after `store.close`. */
  close?(): Promise<void>
}

/** Where a store differs by its nature. */
export interface StoreTraits {
  /** The type that it gives the key `v2/`, whatever was asked for. Default: the one that was asked for. */
  readonly folderType?: string
  /** Holds no object whose key, with a "/", begins another one's. Default false. */
  readonly noKeyBelowKey?: boolean
  /** Two conditional writes at one moment may both happen. Default false. */
  readonly racy?: boolean
  /** Bytes of what it sends or copies in several pieces. Default 17 MiB. */
  readonly large?: number
  /** Keeps no `Cache-Control`, and says so. Default false. */
  readonly noCacheControl?: boolean
  /** Keeps no headers at all, and says so. Default false. */
  readonly noHeaders?: boolean
  /** Holds no object whose key ends in "/", since those are folders. Default false. */
  readonly noFolderKeys?: boolean
  /** It was opened to write objects with an access list, and {@link OpenedStore.acl} tells it. Default false. */
  readonly asksForAcl?: boolean
}

export type OpenStore = () => Promise<OpenedStore>

/** As much as no store sends at once, unless it is told otherwise. */
export const LARGE: number = 17 * 1024 * 1024

export const JSON_TYPE = 'application/vnd.oci.image.manifest.v1+json'
export const FOREVER = 'public, max-age=31536000, immutable'

/** The headers that a store tells of what was written with these. */
export function servedWith(
  { contentType, cacheControl }: Pick<NewObject, 'contentType' | 'cacheControl'>,
  { noCacheControl = false, noHeaders = false }: StoreTraits,
): Partial<StoredHead> {
  if (noHeaders) return { keepsNoHeaders: true }
  return noCacheControl ? { contentType, keepsNoCacheControl: true } : { contentType, cacheControl }
}

/** Bytes that nobody has written before: those of a large object are new every million bytes only, which is quicker. */
export function bytesOf(size: number): Buffer {
  if (size < NOISE.length) return randomBytes(size)
  const bytes = Buffer.alloc(size, NOISE)
  for (let start = 0; start < size; start += NOISE.length) randomBytes(16).copy(bytes, start)
  return bytes
}

const NOISE = randomBytes(1000 * 1000)

/** An object to be written, of bytes in memory. */
export function made(key: string, content: string | Uint8Array, more: Partial<NewObject> = {}): NewObject {
  const bytes = Buffer.from(content)
  return { key, size: bytes.length, contentType: JSON_TYPE, cacheControl: FOREVER, body: { bytes }, ...more }
}

/** The same, of bytes in a file. */
export async function madeFile(key: string, bytes: Uint8Array, more: Partial<NewObject> = {}): Promise<NewObject> {
  const file = join(await makeTemporaryFolder(), 'body')
  await writeFile(file, bytes)
  return made(key, bytes, { body: { file }, ...more })
}

/** A large object comes from a file, as they all do: only those are sent in parts. */
export function madeOf(key: string, bytes: Uint8Array, more: Partial<NewObject> = {}): NewObject | Promise<NewObject> {
  return bytes.length > NOISE.length ? madeFile(key, bytes, more) : made(key, bytes, more)
}

/** The bytes of an object, undefined where there is none. */
export async function read(store: ObjectStore, key: string): Promise<Buffer | undefined> {
  const content = await store.get(key, { limit: 2 * LARGE })
  return content === undefined ? undefined : Buffer.from(content.bytes)
}

/** All pages of a listing. */
export async function pagesOf(pages: AsyncIterable<StoredPage>): Promise<readonly StoredPage[]> {
  const all: StoredPage[] = []
  for await (const page of pages) all.push(page)
  return all
}

/** The keys of a listing, in its order. */
export async function keysOf(store: ObjectStore, prefix = ''): Promise<readonly string[]> {
  return (await pagesOf(store.list(prefix))).flatMap(page => page.objects.map(({ key }) => key))
}

/** Expects a RegistrishError of one of these codes, of a side where one is named. */
export async function expectCode(
  result: Promise<unknown>,
  codes: ErrorCode | readonly ErrorCode[],
  side?: Side,
): Promise<void> {
  const error: unknown = await result.then(
    value => expect.fail(`succeeded with ${JSON.stringify(value)}`),
    (cause: unknown) => cause,
  )
  expect(isRegistrishError(error, ...[codes].flat()), String(error)).toBe(true)
  if (side !== undefined) expect(error).toMatchObject({ side })
}
