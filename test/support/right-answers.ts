import { asDigest, digestOf } from '../../src/oci/digest.ts'
import { headersOf, VERSION_BODY } from '../../src/tree/route.ts'
import { type Answer, apiError, json, type RegistryRequest } from './registry-content.ts'
import type { Hook } from './test-registry.ts'

/** Makes a hook that turns a test registry into a right static host: everything as a client must see it, nothing to write to. */
export function answersRight(repositories: readonly string[]): Hook {
  return async (request, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const refused = apiError(405, 'UNSUPPORTED', 'this registry is read-only')
      return { ...refused, headers: { ...refused.headers, allow: 'GET, HEAD' } }
    }
    if (request.path === '/v2/_catalog') return document(json(200, { repositories }))
    const { range, ...headers } = request.headers
    const answer = await next({ ...request, headers, query: new URLSearchParams() })
    if (answer.status !== 200) return answer
    return answerPart(described(request, answer), request.method === 'GET' ? range : undefined)
  }
}

function document(answer: Answer): Answer {
  return { ...answer, headers: lowerCase(headersOf('tags', answer.headers['content-type'] as string)) }
}

function described({ path }: RegistryRequest, answer: Answer): Answer {
  const type = answer.headers['content-type'] as string
  const name = path.slice(path.lastIndexOf('/') + 1)
  const kind = /\/(manifests|blobs)\/[^/]+$/.exec(path)?.[1]
  if (kind === undefined) return path === '/v2/' ? { ...document(answer), body: VERSION_BODY } : document(answer)
  const digest = asDigest(name)
  const life = kind === 'blobs' ? 'blob' : digest === undefined ? 'tag' : 'manifest'
  const headers = lowerCase(headersOf(life, type, digest ?? digestOf(answer.body)))
  return { ...answer, headers: kind === 'blobs' ? { ...headers, 'accept-ranges': 'bytes' } : headers }
}

/** One range of the bytes (RFC 9110 §14): `bytes=0-1`, `bytes=5-`, `bytes=-3`. */
function answerPart(answer: Answer, range: string | undefined): Answer {
  if (answer.headers['accept-ranges'] === undefined) return answer
  const { first = '', last = '' } = /^bytes=(?<first>\d*)-(?<last>\d*)$/.exec(range ?? '')?.groups ?? {}
  if (first === '' && last === '') return answer
  const size = answer.body.length
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (start > end) return { status: 416, headers: { 'content-range': `bytes */${size}` }, body: new Uint8Array() }
  const headers = { ...answer.headers, 'content-range': `bytes ${start}-${end}/${size}` }
  return { status: 206, headers, body: answer.body.subarray(start, end + 1) }
}

function lowerCase(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
