import { digestOf } from '../../contract/tree-by-hand.ts'
import { type Graph, rootBytes } from '../../support/made-images.ts'
import type { Pulled } from './pulling-client.ts'

/** A manifest that a moving tag may name. */
export interface Known {
  readonly digest: string
  readonly mediaType: string
  readonly bytes: Buffer
}

/** What a made image must look like to a client. */
export function know(graph: Graph): Known {
  const bytes = Buffer.from(rootBytes(graph))
  return { digest: digestOf(bytes), mediaType: graph.root.mediaType, bytes }
}

/** What was asked for a tag. */
export interface Asked {
  readonly method: 'GET' | 'HEAD'
  /** The digest in If-None-Match. */
  readonly unless?: string
}

/** Says what is wrong in an answer about a tag that names one of `images` at that moment; undefined where all of it belongs together. */
export function judgeAnswer(
  { status, headers, body }: Pulled,
  images: readonly Known[],
  asked: Asked,
): string | undefined {
  const said = String(headers['docker-content-digest'])
  const wrong = (what: string): string =>
    `${asked.method} unless ${asked.unless}: ${what}: ${status} ${JSON.stringify(headers)} ${body.subarray(0, 200)}`
  const named = images.find(({ digest }) => digest === said)
  if (named === undefined) return wrong('no digest that the tag ever named')
  if (headers.etag !== `"${said}"`) return wrong('ETag and digest differ')
  if (status === 304) {
    if (said !== asked.unless) return wrong('304 for another digest')
    return body.length === 0 ? undefined : wrong('304 with a body')
  }
  if (status !== 200) return wrong('not 200')
  if (said === asked.unless) return wrong('200 for the digest that the client has')
  if (headers['content-type'] !== named.mediaType) return wrong('the type of another manifest')
  if (headers['content-length'] !== String(named.bytes.length)) return wrong('the length of another manifest')
  if (asked.method === 'HEAD') return undefined
  return body.equals(named.bytes) ? undefined : wrong('the bytes of another manifest')
}
