import { setMaxListeners } from 'node:events'
import { throwIfAborted } from '../../errors.ts'
import type { HttpResponse } from '../../http/client.ts'
import { createRetry, type Retry, type RetryOptions } from '../../http/retry.ts'
import { askedPause } from '../asked-pause.ts'
import { type Refusal, Refused } from '../refusal.ts'
import { openS3Client, type S3Connection, type SmallRequest } from './client.ts'
import { type About, storeError } from './errors.ts'
import type { S3Place } from './place.ts'
import { parseRefusal, refusalOf } from './refusal.ts'
import type { Transport } from './transport.ts'

/** What one request is about. */
export interface Call extends Omit<About, 'bucket'> {
  readonly signal?: AbortSignal | undefined
}

/** Requests to one bucket: each is repeated while that may help, and what it fails with in the end is translated. */
export interface S3Calls {
  readonly bucket: string
  readonly connection: S3Connection
  readonly transport: Transport
  /** Runs a try again and again. What it throws may come from the SDK or {@link S3Calls.small}; the error keeps it as its cause. */
  run<T>(call: Call, attempt: () => Promise<T>): Promise<T>
  /** Sends one signed request once. @throws Refused for every status from 300 on. */
  small(request: SmallRequest): Promise<HttpResponse>
}

/** Repetitions after the first try: a store that fails one request in three is got through. */
const TIMES = 7
/** Largest error that is read, in bytes. */
const LARGEST_ERROR = 65_536

/** Opens the {@link S3Calls} of a bucket; nothing is sent. */
export async function openS3Calls(place: S3Place, transport: Transport, options: RetryOptions): Promise<S3Calls> {
  const { bucket } = place
  const connection = await openS3Client(place, transport)
  const retry: Retry = createRetry({ times: TIMES, ...options })
  return {
    bucket,
    connection,
    transport,
    async run(call, attempt) {
      const { signal } = call
      // A signal is shared by as many requests as run at once: that is no leak that Node has to warn of.
      if (signal !== undefined) setMaxListeners(0, signal)
      const mended = new Set<string>()
      return retry.run({
        what: `s3://${bucket}`,
        ...(signal === undefined ? {} : { signal }),
        async attempt() {
          throwIfAborted(signal)
          try {
            return { value: await attempt() }
          } catch (error) {
            throwIfAborted(signal)
            const failed = storeError(error, { ...call, bucket })
            const refusal = refusalOf(error)
            if (refusal === undefined) throw failed
            if (await mend(refusal, { connection, transport, mended })) return { failed, delay: 0 }
            if (!isPassing(refusal)) throw failed
            return { failed, ...askedPause(refusal, failed, transport.now()) }
          }
        },
      })
    },
    async small(request) {
      const response = await transport.send(await connection.sign(request))
      if (response.status < 300) return response
      const { status } = response
      const xml = request.method === 'HEAD' ? '' : await response.text(LARGEST_ERROR)
      throw new Refused(parseRefusal(xml, { status, header: name => response.header(name) }))
    },
  }
}

interface Mending {
  readonly connection: S3Connection
  readonly transport: Transport
  /** What was mended for this call already: once is enough. */
  readonly mended: Set<string>
}

/** Mends what the request itself had wrong: the region, the clock, credentials that have expired. */
async function mend(refusal: Refusal, { connection, transport, mended }: Mending): Promise<boolean> {
  const { code, status } = refusal
  if (mended.has(code)) return false
  mended.add(code)
  if (status === 301 || status === 307 || REGION.has(code)) {
    const region = refusal.region ?? transport.region()
    // Another request may have moved there already: then too the same request is worth another try.
    if (region !== undefined) await connection.move(region)
    return region !== undefined
  }
  if (CLOCK.has(code)) {
    connection.setClock(transport.now())
    return true
  }
  if (!EXPIRED.has(code)) return false
  return connection.renew().then(
    () => true,
    () => false,
  )
}

const REGION = new Set(['AuthorizationHeaderMalformed', 'IllegalLocationConstraintException', 'PermanentRedirect'])
const CLOCK = new Set(['RequestTimeTooSkewed', 'RequestExpired'])
const EXPIRED = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired'])

/** Whether another try may help (AWS S3 API, "Error responses"; RFC 9110 §15). */
function isPassing({ status, code }: Refusal): boolean {
  return STATUSES.has(status) || CODES.has(code)
}

const STATUSES = new Set([408, 429, 500, 502, 503, 504])
const CODES = new Set([
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'RequestTimeout',
  'IncompleteBody',
  'OperationAborted',
  'ConditionalRequestConflict',
  'Throttling',
  'ThrottlingException',
  'RequestThrottled',
])
