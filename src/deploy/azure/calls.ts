import { setMaxListeners } from 'node:events'
import type { BlobServiceClient, BlockBlobClient, ContainerClient } from '@azure/storage-blob'
import { throwIfAborted } from '../../errors.ts'
import { createRetry, type RetryOptions } from '../../http/retry.ts'
import { askedPause } from '../asked-pause.ts'
import type { Refusal } from '../refusal.ts'
import { azureError } from './errors.ts'
import { type AzurePlace, titleOf } from './place.ts'
import { refusalOf } from './refusal.ts'
import type { Transport } from './transport.ts'

/** What one request is about. */
export interface Call {
  /** As after "cannot": `write v2/alpine/manifests/latest`. */
  readonly doing: string
  readonly signal?: AbortSignal | undefined
}

/** Requests to one container: each is repeated while that may help, and what it fails with in the end is translated. */
export interface AzureCalls {
  readonly place: AzurePlace
  readonly service: BlobServiceClient
  readonly container: ContainerClient
  readonly transport: Transport
  blob(key: string): BlockBlobClient
  /** Runs a try again and again; gives it the options that every call of the SDK takes. The error keeps what the SDK threw as its cause. */
  run<T>(call: Call, attempt: (options: { readonly abortSignal?: AbortSignal }) => Promise<T>): Promise<T>
}

/** Repetitions after the first try: a service that fails one request in three is got through. */
const TIMES = 7

/** Makes the {@link AzureCalls} of a container. */
export function createAzureCalls(
  { place, service, transport }: Pick<AzureCalls, 'place' | 'service' | 'transport'>,
  options: RetryOptions,
): AzureCalls {
  const container = service.getContainerClient(place.container)
  const retry = createRetry({ times: TIMES, ...options })
  return {
    place,
    service,
    container,
    transport,
    blob: key => container.getBlockBlobClient(key),
    async run({ doing, signal }, attempt) {
      // A signal is shared by as many requests as run at once: that is no leak that Node has to warn of.
      if (signal !== undefined) setMaxListeners(0, signal)
      const given = signal === undefined ? {} : { signal }
      return retry.run({
        what: titleOf(place),
        ...given,
        async attempt() {
          throwIfAborted(signal)
          try {
            return { value: await attempt(signal === undefined ? {} : { abortSignal: signal }) }
          } catch (error) {
            throwIfAborted(signal)
            const failed = azureError(error, { doing, place })
            const refusal = refusalOf(error)
            if (refusal === undefined || !isPassing(refusal)) throw failed
            return { failed, ...askedPause(refusal, failed, transport.now()) }
          }
        },
      })
    },
  }
}

/** Whether another try may help (REST API, "Common REST API error codes"; RFC 9110 §15). */
function isPassing({ status, code }: Refusal): boolean {
  return STATUSES.has(status) || CODES.has(code)
}

const STATUSES = new Set([408, 429, 500, 502, 503, 504])
/** Bytes that were lost or changed on the way among them. */
const CODES = new Set(['OperationTimedOut', 'ServerBusy', 'InternalError', 'Md5Mismatch', 'IncompleteBody'])
