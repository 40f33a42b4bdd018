import { RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import { describeStatus } from '../http/status.ts'
import { isRecord } from '../oci/descriptor.ts'
import type { Connection } from './connection.ts'

/** What an error answer says: the codes of the distribution spec, and a sentence fit for a message. */
export interface ApiErrors {
  readonly codes: readonly string[]
  /** Empty where the body says nothing that can be repeated. */
  readonly text: string
}

/** What is read of an error's body, in bytes. */
const LARGEST_ERROR = 65_536

/** Codes that say no more than a 404 does. */
const PLAIN_CODES = new Set(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'BLOB_UNKNOWN'])

/** Reads the body of an error answer (distribution spec, "Error Codes"); a short line of plain text is taken too. */
export async function readApiErrors(response: HttpResponse): Promise<ApiErrors> {
  const text = await readStart(response)
  const body = parseJson(text)
  const errors = isRecord(body) && Array.isArray(body['errors']) ? body['errors'].filter(isRecord) : []
  const codes = errors.flatMap(({ code }) => (typeof code === 'string' ? [code] : []))
  if (errors.length > 0) {
    const told = errors.filter(({ code }) => !PLAIN_CODES.has(textOf(code)))
    return { codes, text: clean(told.map(({ code, message }) => textOf(message) || textOf(code)).join('; ')) }
  }
  const isText = response.header('content-type')?.startsWith('text/plain') === true
  return { codes, text: isText ? clean(text.split('\n')[0] ?? '') : '' }
}

/** The error for an answer that was not expected; `what` is what was asked for. 401 and 403 are `unauthorized`, 404 is `not-found`. */
export async function statusError(
  connection: Connection,
  response: HttpResponse,
  { what, repository }: { readonly what: string; readonly repository: string },
): Promise<RegistrishError> {
  const { status, url } = response
  const { text } = await readApiErrors(response)
  const isElsewhere = url.origin !== (await connection.origin()).origin
  if (!isElsewhere && (status === 401 || status === 403)) return (await connection.authorizer()).refused(repository)
  const said = text === '' ? '' : ` (${text})`
  if (status === 404) {
    return new RegistrishError('not-found', `${what} is not there${said}`, {
      side: 'source',
      hint: 'check the spelling of the name',
    })
  }
  const who = isElsewhere ? `${url.host}, where ${connection.registry} sent us,` : connection.registry
  return new RegistrishError(
    'bad-answer',
    `${who} answers ${describeStatus(status)}${said} to the request for ${what}`,
    {
      side: 'source',
      hint: 'is it a registry, and is the name right?',
    },
  )
}

/** A Content-Type without its parameters, in lower case; empty where there is none. */
export function contentTypeOf(response: HttpResponse): string {
  return (response.header('content-type') ?? '').replace(/;.*$/s, '').trim().toLowerCase()
}

/** The value of a header that is a number of bytes, or undefined. */
export function lengthOf(response: HttpResponse): number | undefined {
  const value = response.header('content-length')
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}

/** The Content-Encoding of an answer, which was asked for none; undefined for none. */
export function encodingOf(response: HttpResponse): string | undefined {
  const encoding = (response.header('content-encoding') ?? '').trim()
  return encoding === '' || encoding.toLowerCase() === 'identity' ? undefined : clean(encoding)
}

/** The error for an answer that was compressed on its way: its bytes are not those of any digest. */
export function encodedError({ url }: HttpResponse, encoding: string, what: string): RegistrishError {
  return new RegistrishError(
    'bad-answer',
    `${url.host} sends ${what} with Content-Encoding ${encoding}, which it was asked not to`,
    { side: 'source', hint: 'manifests and blobs must be served as they are: switch compression off there' },
  )
}

/** The beginning of a body that is an error; one that is too long or breaks says nothing. */
async function readStart(response: HttpResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of response.body) {
      chunks.push(chunk)
      length += chunk.length
      if (length > LARGEST_ERROR) break
    }
  } catch {
    // The status has said what matters.
  }
  return Buffer.concat(chunks).subarray(0, LARGEST_ERROR).toString('utf8')
}

/** undefined where it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A text, or nothing: what is none may even refuse to become one. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Foreign text for a message: one line, no control characters, at most 200 characters. */
function clean(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, 200)
}
