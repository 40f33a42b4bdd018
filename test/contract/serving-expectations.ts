import { expect } from 'vitest'
import type { RawAnswer, RawRequest } from './raw-request.ts'
import type { ServingTree } from './serving-fixture.ts'
import { digestOf } from './tree-by-hand.ts'

/** What a server cannot keep of the contract, by name; what it does instead is checked. */
export type ServingException =
  /** A path that cannot be decoded is refused in plain text, before any rule is asked. */
  | 'paths-refused-as-text'
  /** That there is no such range is said in plain text. */
  | 'ranges-refused-as-text'
  /** A blob that is a symbolic link out of the tree is served. */
  | 'blob-links-followed'
  /** Of a body that is refused no more than 256 KiB are read, then the connection ends. */
  | 'long-bodies-unread'
  /** A path that cannot be decoded, climbs above the root or holds an escaped slash or NUL is refused with a page of its own, before any rule is asked. */
  | 'odd-paths-refused-early'
  /** A part of a path that no file system can hold is 403 with a page of its own, before any rule is asked. */
  | 'long-names-forbidden'
  /** That there is no such range is said without the length. */
  | 'no-length-beyond-the-end'
  /** A path or query with an escaped control character is 400 with a page of the server's own, before any rule is asked. */
  | 'control-characters-refused'
  /** Where a client takes encodings, plain JSON is compressed: nothing that has a digest, so what it is without them is checked. */
  | 'json-compressed'

/** What the parts of the contract work with; filled before the first test runs. */
export interface ServingContext {
  readonly tree: ServingTree
  readonly url: string
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<RawAnswer>
  send(request: RawRequest): Promise<RawAnswer>
  excepted(exception: ServingException): boolean
}

/** Headers that may differ between two answers to the same question. */
const FLEETING = new Set(['date', 'connection', 'keep-alive'])

/** An answer's headers without those that change from one moment to the next. */
export function lasting(answer: RawAnswer): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !FLEETING.has(name)))
}

/** What clients ask with: they would all take a compressed body. */
export const GREEDY: Readonly<Record<string, string>> = { 'Accept-Encoding': 'gzip, deflate, br, zstd' }

/** Checks a whole answer: exact bytes and type, a length, nothing encoded; and that HEAD gives the same headers and no body. */
export async function expectWhole(
  { send }: ServingContext,
  path: string,
  want: {
    readonly bytes: Buffer
    readonly mediaType: string
    readonly digest?: string
    readonly cache: 'immutable' | 'short'
  },
): Promise<RawAnswer> {
  const answer = await send({ path, headers: GREEDY })
  expect(answer.status, path).toBe(200)
  expect(answer.body.equals(want.bytes), `the body of ${path}`).toBe(true)
  expect(answer.header('content-type'), path).toBe(want.mediaType)
  expect(answer.header('content-length'), path).toBe(String(want.bytes.length))
  expect(answer.header('content-encoding'), path).toBeUndefined()
  expect(answer.header('transfer-encoding'), path).toBeUndefined()
  expect(answer.header('docker-content-digest'), path).toBe(want.digest)
  if (want.digest !== undefined) expect(answer.header('etag'), path).toBe(`"${want.digest}"`)
  expectCache(answer, want.cache, path)
  const head = await send({ method: 'HEAD', path, headers: GREEDY })
  expect(head.status, `HEAD ${path}`).toBe(200)
  // Apache takes a length of 0 for one that it does not know, and leaves it out.
  const unsaid = want.bytes.length === 0 && head.header('content-length') === undefined
  expect({ ...lasting(head), ...(unsaid ? { 'content-length': ['0'] } : {}) }, `HEAD ${path}`).toEqual(lasting(answer))
  expect(head.body.length, `HEAD ${path}`).toBe(0)
  return answer
}

/** Immutable for what a digest names; for all else a short life and no date that a moved tag could contradict. */
export function expectCache(answer: RawAnswer, cache: 'immutable' | 'short', path: string): void {
  const control = answer.header('cache-control') ?? ''
  if (cache === 'immutable') {
    expect(control, path).toContain('immutable')
    return
  }
  expect(control, path).not.toContain('immutable')
  expect(Number(/max-age=(\d+)/.exec(control)?.[1]), path).toBeLessThanOrEqual(300)
  expect(answer.header('last-modified'), path).toBeUndefined()
}

/** Checks an error answer: status, one of the codes, an OCI error document in JSON, nothing that belongs to content. */
export async function expectError(
  { send }: ServingContext,
  request: { readonly method?: string; readonly path: string; readonly body?: string },
  want: { readonly status: number | readonly number[]; readonly code?: string },
): Promise<RawAnswer> {
  const what = `${request.method ?? 'GET'} ${request.path}`
  const answer = await send({ ...request, headers: GREEDY })
  expect([want.status].flat(), what).toContain(answer.status)
  expect(answer.header('content-type'), what).toBe('application/json')
  expect(answer.header('docker-content-digest'), what).toBeUndefined()
  expect(answer.header('etag'), what).toBeUndefined()
  expect(answer.header('cache-control') ?? '', what).not.toContain('immutable')
  expect(answer.header('content-length'), what).toBe(String(answer.body.length))
  const { errors } = JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] }
  expect(errors, what).toHaveLength(1)
  expect(errors[0]?.code, what).toBe(want.code ?? errors[0]?.code)
  expect(errors[0]?.message, what).toEqual(expect.any(String))
  return answer
}

/** Whether a body bears the digest that its header says. */
export function expectOwnDigest(answer: RawAnswer, what: string): void {
  expect(answer.header('docker-content-digest'), what).toBe(digestOf(answer.body))
}
