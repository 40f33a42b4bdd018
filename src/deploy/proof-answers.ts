import { isRegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import { describeStatus } from '../http/status.ts'
import { algorithmOf, asDigest, type Digest, digestOf, plain } from '../oci/digest.ts'
import { LARGEST_MANIFEST, type Manifest, parseManifest } from '../oci/manifest.ts'
import { contentTypeOf, encodingOf } from '../registry/answer.ts'
import type { ProofProblem } from './proof-report.ts'

/** A problem before it is known of which URL. */
export type Finding = Omit<ProofProblem, 'url'>

/** What an answer came to: a manifest that is what its digest says, or what is wrong with it. `other`: it is another manifest, as a cache would still have it. */
export type JudgedManifest =
  | { readonly manifest: Manifest; readonly size: number }
  | { readonly other: Digest }
  | { readonly finding: Finding; readonly status: number }

/** What the ways out name. */
export interface WaysOut {
  /** The command that says what the store needs: `registrish setup --s3 bucket`. */
  readonly setup: string
}

/** Reads and judges the answer to a request for a manifest. */
export async function judgeManifest(response: HttpResponse, digest: Digest, ways: WaysOut): Promise<JudgedManifest> {
  const { status } = response
  if (status !== 200) return { finding: await judgeStatus(response, ways), status }
  const encoding = encodingOf(response)
  if (encoding !== undefined) {
    await response.discard()
    return { finding: compressed(encoding), status }
  }
  const bytes = await readManifest(response)
  if (bytes === undefined || isWebPage(bytes)) return { finding: webPage(bytes), status }
  const actual = digestOf(bytes, algorithmOf(digest))
  const manifest = parsed(bytes)
  if (actual !== digest && manifest !== undefined) return { other: actual }
  if (manifest === undefined) return { finding: changed(`${bytes.length} bytes that are no manifest`, digest), status }
  const finding = judgeHeaders(response, digest, manifest)
  return finding === undefined ? { manifest, size: bytes.length } : { finding, status }
}

/** What is wrong where the status is not 200: the status, and the code that the store gives in its XML. */
export async function judgeStatus(response: HttpResponse, { setup }: WaysOut): Promise<Finding> {
  const { status } = response
  const code = await readCode(response)
  const text = `${describeStatus(status)}${code === undefined ? '' : ` (${code})`}, not 200`
  if (status === 403) {
    return {
      text,
      hint: `not everyone may read there; or nothing is there, of which S3 tells those who may not list the bucket no more than this: ${setup} says what the bucket needs`,
    }
  }
  if (status === 404)
    return {
      text,
      hint: 'does --url lead to the root of this store? A cache in between may also keep an old 404: purge that URL',
    }
  return { text, hint: `clients take nothing but 200 there; ${setup} says how to publish the store` }
}

/** The finding for a body that is not what its digest says. */
export function changed(seen: string, digest: Digest): Finding {
  return {
    text: `${seen}, not ${digest}`,
    hint: 'a cache or proxy in between changes answers or keeps old ones: purge that URL, and have it pass bytes on as they are',
  }
}

function judgeHeaders(response: HttpResponse, digest: Digest, { mediaType }: Manifest): Finding | undefined {
  const type = response.header('content-type') ?? ''
  if (type !== mediaType) {
    const isOurs = contentTypeOf(response) === mediaType
    return {
      text: `Content-Type ${type === '' ? 'is missing' : `is ${plain(type)}`}, not ${mediaType}`,
      hint: isOurs
        ? 'something between the store and users adds to it: have it pass headers on as they are'
        : 'deploy with --check-headers, which writes anew what another program uploaded; else something in between changes it, and has to pass headers on',
    }
  }
  const stated = asDigest(response.header('docker-content-digest'))
  if (stated === undefined || stated === digest || algorithmOf(stated) !== algorithmOf(digest)) return undefined
  return {
    text: `Docker-Content-Digest is ${stated}, not ${digest}`,
    hint: 'what adds that header in between (a function, a rule) has to name the digest of the answer',
  }
}

function compressed(encoding: string): Finding {
  return {
    text: `Content-Encoding is ${plain(encoding)}, which was not asked for`,
    hint: 'switch compression off for that host: manifests and blobs must be served as they are',
  }
}

function webPage(bytes: Uint8Array | undefined): Finding {
  return {
    text: bytes === undefined ? 'more bytes than any manifest has' : 'a web page (HTML), not a manifest',
    hint: 'an error page, or a login page of the network, stands in: does --url lead to the root of this store?',
  }
}

function isWebPage(bytes: Uint8Array): boolean {
  return /^\ufeff?\s*<(?:!doctype|html|head|body)/i.test(new TextDecoder().decode(bytes.subarray(0, 256)))
}

/** undefined where it is too large. */
async function readManifest(response: HttpResponse): Promise<Uint8Array | undefined> {
  try {
    return await response.bytes(LARGEST_MANIFEST)
  } catch (error) {
    if (isRegistrishError(error, 'bad-answer')) return undefined
    throw error
  }
}

function parsed(bytes: Uint8Array): Manifest | undefined {
  try {
    return parseManifest(bytes)
  } catch {
    return undefined
  }
}

/** S3's error document: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. */
async function readCode(response: HttpResponse): Promise<string | undefined> {
  try {
    return /<Code>([A-Za-z]{1,60})<\/Code>/.exec(await response.text(65_536))?.[1]
  } catch (error) {
    // The status has said what matters; only an interruption is to be heard.
    if (isRegistrishError(error, 'aborted')) throw error
    return undefined
  }
}
