import { isRegistrishError, messageOf } from '../errors.ts'
import type { Authorizer } from '../http/auth.ts'
import { parseChallenges } from '../http/challenge.ts'
import type { HttpClient, HttpResponse } from '../http/client.ts'
import { isRedirect, MOST_HOPS } from '../http/redirect.ts'
import type { Answer, HopSeen } from './answer.ts'

/** What is asked beside the path. */
interface AskOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes of the body that are read at most. Default 0 for HEAD, else 64 KiB. */
  readonly limit?: number
}

/** Asks one registry; never fails but with `aborted`: what goes wrong is part of the answer. */
export type Ask = (path: string, options?: AskOptions) => Promise<Answer>

/** What an {@link Ask} is made of. */
export interface AskSettings {
  readonly http: HttpClient
  readonly origin: URL
  /** The repository whose permissions are asked for, should the registry want to know who is asking. */
  readonly repository: () => string
  /** Absent: nobody logs in, since others could listen. */
  readonly authorizer?: Authorizer | undefined
  readonly signal?: AbortSignal | undefined
}

/** Makes an {@link Ask}. Clients repeat a request with credentials where they are asked for some, and so does it. */
export function createAsk(settings: AskSettings): Ask {
  return async (path, options = {}) => {
    const url = new URL(path, settings.origin)
    const request = `${options.method ?? 'GET'} ${url.href}`
    const hops: HopSeen[] = []
    try {
      const response = await follow(url, { settings, options, hops })
      return { request, hops, ...(await read(response, options)) }
    } catch (error) {
      if (!isRegistrishError(error) || error.code === 'aborted') throw error
      return { request, hops, status: 0, headers: {}, bytes: new Uint8Array(), whole: false, broken: error.message }
    }
  }
}

interface Following {
  readonly settings: AskSettings
  readonly options: AskOptions
  readonly hops: HopSeen[]
}

/** Every hop is kept, also those that a client might refuse; credentials go to the registry's own host alone. */
async function follow(first: URL, { settings, options, hops }: Following): Promise<HttpResponse> {
  let url = first
  for (;;) {
    const response = await sendOnce(url, { settings, options, hops })
    const { method = 'GET' } = options
    const location = response.header('location')
    const next = location !== undefined && URL.canParse(location, url.href) ? new URL(location, url) : undefined
    if (method === 'POST' || !isRedirect(response.status) || next === undefined || hops.length >= MOST_HOPS)
      return response
    if (!/^https?:$/.test(next.protocol)) return response
    await response.discard()
    hops.push({ status: response.status, to: next.href })
    url = next
  }
}

async function sendOnce(url: URL, { settings, options }: Following): Promise<HttpResponse> {
  const { http, origin, authorizer, repository, signal } = settings
  const { method = 'GET', headers = {} } = options
  const send = async (authorization: string | undefined): Promise<HttpResponse> =>
    http.request(url, {
      method,
      follow: false,
      headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
      ...(signal === undefined ? {} : { signal }),
    })
  if (authorizer === undefined || url.origin !== origin.origin) return send(undefined)
  const known = await authorizer.header(repository(), signal)
  const response = await send(known)
  const challenges = response.status === 401 ? parseChallenges(response.header('www-authenticate')) : []
  if (challenges.length === 0 || known !== undefined) return response
  try {
    const authorization = await authorizer.renew(repository(), { challenges, rejected: known }, signal)
    await response.discard()
    return await send(authorization)
  } catch (error) {
    // Without credentials the answer is the refusal itself.
    if (isRegistrishError(error, 'unauthorized', 'unsupported', 'not-found')) return response
    throw error
  }
}

async function read(response: HttpResponse, options: AskOptions): Promise<Omit<Answer, 'request' | 'hops'>> {
  const limit = options.method === 'HEAD' ? 0 : (options.limit ?? 65_536)
  const chunks: Uint8Array[] = []
  let length = 0
  const done = (whole: boolean, broken?: string): Omit<Answer, 'request' | 'hops'> => ({
    status: response.status,
    headers: response.headers(),
    bytes: Buffer.concat(chunks).subarray(0, limit),
    whole,
    ...(broken === undefined ? {} : { broken }),
  })
  try {
    for await (const chunk of response.body) {
      chunks.push(chunk)
      length += chunk.length
      if (length > limit) return done(false)
    }
  } catch (error) {
    if (isRegistrishError(error, 'aborted')) throw error
    return done(false, messageOf(error))
  }
  return done(true)
}
