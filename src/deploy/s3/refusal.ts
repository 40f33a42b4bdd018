import { isRecord } from '../../oci/descriptor.ts'
import { plain } from '../../oci/digest.ts'
import { type Refusal, refusalBehind } from '../refusal.ts'

/** The refusal behind an error, of the small path or the SDK, or as the `cause` of ours; undefined for all others. */
export function refusalOf(error: unknown): Refusal | undefined {
  return refusalBehind(error, readSdkError)
}

function readSdkError(error: SdkError): Refusal | undefined {
  const { $metadata: metadata, $response: response, Region: region } = error
  const status = isRecord(response) ? response['statusCode'] : metadata?.httpStatusCode
  // An answer that the SDK cannot read is no refusal.
  if (typeof status !== 'number' || status < 300) return undefined
  const headers = isRecord(response) && isRecord(response['headers']) ? response['headers'] : {}
  const [retryAfter, named] = [headers['retry-after'], regionIn(region) ?? regionIn(headers['x-amz-bucket-region'])]
  return {
    status,
    code: error.name,
    text: plain(error.message),
    ...(typeof retryAfter === 'string' ? { retryAfter } : {}),
    ...(named === undefined ? {} : { region: named }),
  }
}

/** What an answer says of a region, where that is the name of one: it is printed in a command to be pasted, and signed with. */
export function regionIn(text: unknown): string | undefined {
  return typeof text === 'string' && /^[a-z0-9-]+$/.test(text) ? text : undefined
}

interface SdkError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: unknown
  readonly Region?: unknown
}

/** Reads S3's XML of an error (AWS S3 API, "Error responses"). */
export function parseRefusal(
  xml: string,
  answer: { readonly status: number; readonly header: (name: string) => string | undefined },
): Refusal {
  const text = (name: string): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  const retryAfter = answer.header('retry-after')
  const region = regionIn(text('Region')) ?? regionIn(answer.header('x-amz-bucket-region'))
  return {
    status: answer.status,
    code: plain(text('Code') ?? ''),
    text: plain(text('Message') ?? ''),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(region === undefined ? {} : { region }),
  }
}
