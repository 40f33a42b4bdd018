/* What the S3 server says: answers, and errors word for word as AWS has them (Amazon S3 API Reference, "Error responses"). */

/** An answer. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** More elements of an error, by name. */
export type Details = Readonly<Record<string, string>>

interface ErrorOptions {
  /** Default: what AWS says to the code. */
  readonly message?: string
  readonly details?: Details
  readonly headers?: Readonly<Record<string, string>>
}

/** An error that the server answers with. */
export class S3Error extends Error {
  readonly status: number
  readonly code: string
  readonly details: Details
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, options: ErrorOptions = {}) {
    super(options.message ?? MESSAGES[code] ?? code)
    this.status = status
    this.code = code
    this.details = options.details ?? {}
    this.headers = options.headers ?? {}
  }
}

/** An answer with an XML body, whose first element has S3's name space. */
export function xmlAnswer(body: string, options: { readonly status?: number; readonly plain?: boolean } = {}): Answer {
  const text = options.plain === true ? body : body.replace(/^<(\w+)>/, `<$1 xmlns="${NAME_SPACE}">`)
  return {
    status: options.status ?? 200,
    headers: { 'content-type': 'application/xml' },
    body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`),
  }
}

/** An answer without a body. */
export function emptyAnswer(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: new Uint8Array(0) }
}

/** The answer that tells an error. */
export function errorAnswer(error: S3Error): Answer {
  const { code, message, details, status, headers } = error
  const known = { Code: code, Message: message, ...details, RequestId: REQUEST_ID, HostId: HOST_ID }
  const text = Object.entries(known).map(([name, value]) => element(name, value))
  const answer = xmlAnswer(`<Error>${text.join('')}</Error>`, { status, plain: true })
  return { ...answer, headers: { ...answer.headers, ...headers } }
}

/** An XML element with text in it. */
export function element(name: string, text: string | number | boolean): string {
  return `<${name}>${escapeXml(String(text))}</${name}>`
}

/** The texts of all elements of a name in an XML text that has no CDATA, in order. */
export function textsOf(xml: string, name: string): readonly string[] {
  const found = xml.matchAll(new RegExp(`<${name}(?: [^>]*)?>([^]*?)</${name}>`, 'g'))
  return Array.from(found, match => match[1] ?? '')
}

/** The text of an element, as it was before it was escaped. */
export function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (_, hex?: string, decimal?: string, name?: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    return decimal === undefined ? (ENTITIES[name ?? ''] ?? '') : String.fromCodePoint(Number(decimal))
  })
}

/** What stands in every answer as its request's name. */
export const REQUEST_ID = '4442587FB7D0A2F9'
const HOST_ID = 'eftixk72aD6Ap51TnqcoF8eFidJG9Z/2mkiDFu8yU9AS1ed4OpIszj7UDNEHGran'
const NAME_SPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\r', '&#13;')
}

const MESSAGES: Readonly<Record<string, string>> = {
  AccessControlListNotSupported: 'The bucket does not allow ACLs',
  AccessDenied: 'Access Denied',
  AuthorizationHeaderMalformed: 'The authorization header is malformed; the region is wrong',
  BadDigest: 'The Content-MD5 or checksum value that you specified did not match what the server received.',
  BucketAlreadyOwnedByYou: 'Your previous request to create the named bucket succeeded and you already own it.',
  ConditionalRequestConflict:
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
  EntityTooLarge: 'Your proposed upload exceeds the maximum allowed size',
  EntityTooSmall: 'Your proposed upload is smaller than the minimum allowed size',
  InternalError: 'We encountered an internal error. Please try again.',
  InvalidAccessKeyId: 'The AWS Access Key Id you provided does not exist in our records.',
  InvalidArgument: 'Invalid Argument',
  InvalidPart:
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  InvalidPartOrder: 'The list of parts was not in ascending order. Parts must be ordered by part number.',
  InvalidRange: 'The requested range is not satisfiable',
  InvalidToken: 'The provided token is malformed or otherwise invalid.',
  KeyTooLongError: 'Your key is too long',
  MalformedXML: 'The XML you provided was not well-formed or did not validate against our published schema',
  MethodNotAllowed: 'The specified method is not allowed against this resource.',
  MissingContentLength: 'You must provide the Content-Length HTTP header.',
  NoSuchBucket: 'The specified bucket does not exist',
  NoSuchBucketPolicy: 'The bucket policy does not exist',
  NoSuchCORSConfiguration: 'The CORS configuration does not exist',
  NoSuchKey: 'The specified key does not exist.',
  NoSuchLifecycleConfiguration: 'The lifecycle configuration does not exist',
  NoSuchPublicAccessBlockConfiguration: 'The public access block configuration was not found',
  NoSuchUpload:
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  NoSuchWebsiteConfiguration: 'The specified bucket does not have a website configuration',
  NotImplemented: 'A header you provided implies functionality that is not implemented',
  OwnershipControlsNotFoundError: 'The bucket ownership controls were not found',
  PermanentRedirect:
    'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.',
  PreconditionFailed: 'At least one of the pre-conditions you specified did not hold',
  RequestTimeTooSkewed: 'The difference between the request time and the current time is too large.',
  RequestTimeout:
    'Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.',
  SignatureDoesNotMatch:
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  SlowDown: 'Please reduce your request rate.',
  TooManyRequests: 'Please reduce your request rate.',
  XAmzContentSHA256Mismatch: "The provided 'x-amz-content-sha256' header does not match what was computed.",
}
