import { isRegistrishError, messageOf } from '../errors.ts'
import type { Authorizer } from '../http/auth.ts'
import type { HttpClient, HttpResponse } from '../http/client.ts'
import { isRedirect, MOST_HOPS } from '../http/redirect.ts'
import type { Answer, HopSeen } from './answer.ts'
import { type Deadline, startDeadline } from './deadline.ts'
import { type Guarded, sendGuarded } from './log-in.ts'
import type { Patience } from './patience.ts'

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
  readonly patience: Patience
  /** Absent: nobody logs in, since others could listen. */
  readonly authorizer?: Authorizer | undefined
  /** The repository for which /v2/ is asked how to log in. */
  readonly repository?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** What a request may take, in ms. Default 60 s. */
  readonly deadline?: number | undefined
}

/** Makes an {@link Ask}. Clients repeat a request with credentials where they are asked for some, and so does it. */
export function createAsk(settings: AskSettings): Ask {
  return async (path, options = {}) => {
    const url = new URL(path, settings.origin)
    const none: Answer = {
      request: `${options.method ?? 'GET'} ${url.href}`,
      ...{ hops: [], status: 0, headers: {}, bytes: new Uint8Array(), whole: false },
    }
    const limited: Answer = { ...none, status: 429, whole: true }
    if (settings.patience.isLimited()) return limited
    const deadline = startDeadline(settings.signal, settings.deadline)
    const hops: HopSeen[] = []
    try {
      const { response, login } = await follow(url, { settings, options, hops, deadline })
      const seen = login === undefined ? none : { ...none, login }
      return { ...seen, hops, ...(await read(response, options, deadline)) }
    } catch (error) {
      if (!isRegistrishError(error)) throw error
      if (error.code === 'rate-limited') {
        settings.patience.limit()
        return limited
      }
      if (error.code !== 'aborted') return { ...none, hops, broken: error.message }
      if (!deadline.isOver()) throw error
      return { ...none, hops, broken: `it did not answer in ${deadline.text}` }
    } finally {
      deadline.stop()
    }
  }
}

interface Following {
  readonly settings: AskSettings
  readonly options: AskOptions
  readonly hops: HopSeen[]
  readonly deadline: Deadline
}

/** Every hop is kept, also those that a client might refuse; credentials go to the registry's own host alone. */
async function follow(first: URL, { settings, options, hops, deadline }: Following): Promise<Guarded> {
  let url = first
  for (;;) {
    const sent = await sendOnce(url, { settings, options, hops, deadline })
    const { response } = sent
    const { method = 'GET' } = options
    const location = response.header('location')
    const next = location !== undefined && URL.canParse(location, url.href) ? new URL(location, url) : undefined
    if (method === 'POST' || !isRedirect(response.status) || next === undefined || hops.length >= MOST_HOPS) return sent
    if (!/^https?:$/.test(next.protocol)) return sent
    await response.discard()
    hops.push({ status: response.status, to: next.href })
    url = next
  }
}

async function sendOnce(url: URL, { settings, options, deadline }: Following): Promise<Guarded> {
  const { http, origin, patience } = settings
  const { method = 'GET', headers = {} } = options
  const send = async (authorization: string | undefined): Promise<HttpResponse> =>
    patience.send(async () => {
      deadline.restart()
      return http.request(url, {
        method,
        follow: false,
        headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
        signal: deadline.signal,
      })
    })
  if (url.origin !== origin.origin) return { response: await send(undefined) }
  const repository = settings.repository ?? repositoryOf(url)
  // Rights to write are nothing that a reader has to ask for.
  return sendGuarded(settings, {
    ...{ repository, deadline, send },
    ownScope: settings.repository === undefined,
    mayRenew: method !== 'POST',
  })
}

/** The repository that a path is about; empty for /v2/ and the catalogue, whose grants are their own. */
function repositoryOf({ pathname }: URL): string {
  return /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(pathname)?.[1] ?? ''
}

type Read = Pick<Answer, 'status' | 'headers' | 'bytes' | 'whole' | 'broken'>

async function read(response: HttpResponse, options: AskOptions, deadline: Deadline): Promise<Read> {
  const limit = options.method === 'HEAD' ? 0 : (options.limit ?? 65_536)
  const chunks: Uint8Array[] = []
  let length = 0
  const done = (whole: boolean, broken?: string): Read => ({
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
    if (deadline.isOver()) return done(false, `it sent ${length} bytes in ${deadline.text}`)
    if (isRegistrishError(error, 'aborted')) throw error
    return done(false, messageOf(error))
  }
  return done(true)
}
