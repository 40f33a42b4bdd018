import type { HttpResponse } from '../../http/client.ts'
import { isRecord } from '../../oci/descriptor.ts'
import { plain } from '../../oci/digest.ts'
import type { ConnectionOptions } from '../connection.ts'
import type { Refusal } from '../refusal.ts'
import { openRestCalls, type RestCalls } from '../rest/calls.ts'
import { type Meaning, said, type Words } from '../rest/errors.ts'

/** Where a storage zone is. */
export interface BunnyPlace {
  readonly zone: string
  /** Origin of the region's endpoint. */
  readonly endpoint: string
}

/** Requests to one storage zone. */
export interface BunnyCalls extends RestCalls {
  /** The URL of a file, or of a folder where the path ends in "/" or is empty. */
  url(path: string): URL
}

/** Largest error that is read, in bytes. */
const LARGEST_ERROR = 65_536

/** Opens the {@link BunnyCalls} of a zone; nothing is sent. `password` is that of the zone, not the key of the account. */
export function openBunnyCalls(
  { zone, endpoint }: BunnyPlace,
  { password, ...options }: ConnectionOptions & { readonly password: string },
): BunnyCalls {
  const authorize = async (): Promise<Readonly<Record<string, string>>> => ({ accesskey: password })
  const dialect = { words: bunnyWords(zone), authorize, renewable: false, readRefusal }
  return {
    ...openRestCalls(dialect, options),
    url: path => new URL(`${endpoint}/${zone}/${path.split('/').map(encodeURIComponent).join('/')}`),
  }
}

/** What a zone says: a status, and JSON with a sentence. */
async function readRefusal(response: HttpResponse): Promise<Refusal> {
  const { status } = response
  const retryAfter = response.header('retry-after')
  const type = plain(response.header('content-type') ?? '')
  const body = await response.text(LARGEST_ERROR).catch(() => '')
  const after = retryAfter === undefined ? {} : { retryAfter }
  if (/html/i.test(type)) return { status, code: '', text: '', foreign: type, ...after }
  return { status, code: '', text: messageIn(body), ...after }
}

function messageIn(body: string): string {
  try {
    const value: unknown = JSON.parse(body)
    const message = isRecord(value) ? value['Message'] : undefined
    return plain(typeof message === 'string' ? message : '')
  } catch {
    return ''
  }
}

function bunnyWords(zone: string): Words {
  return {
    title: `bunny://${zone}`,
    astray: 'is it Bunny Storage that answers there? check --bunny-region and --bunny-endpoint',
    explain: refusal => (refusal.foreign === undefined ? explain(refusal, zone) : undefined),
  }
}

function explain(refusal: Refusal, zone: string): Meaning | undefined {
  const { status } = refusal
  if (status === 401 || status === 403) {
    return {
      code: 'unauthorized',
      text: `it does not accept the password of ${zone} (${said(refusal)})`,
      hint: 'BUNNY_STORAGE_PASSWORD is the password of the storage zone (dashboard: Storage, the zone, Access), not the read-only one and not the key of the account; and each zone is in the region of --bunny-region alone',
    }
  }
  if (status === 404) {
    return {
      code: 'not-found',
      text: `there is no such zone or file (${said(refusal)})`,
      hint: 'check the name of the storage zone and its main region: --bunny-region',
    }
  }
  return undefined
}
