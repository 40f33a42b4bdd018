import { algorithmOf, asDigest, digestOf } from '../../oci/digest.ts'
import { type Answer, isLost, isWebPage, statusText } from '../answer.ts'
import { type Check, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import type { ImageSeen, ManifestSeen } from '../observations.ts'
import type { Client } from '../report.ts'
import { unpacked } from '../unpacked.ts'

const PULLERS: readonly Client[] = ['docker', 'containerd', 'podman', 'crane', 'oras']

/** Manifests are what their digests say. */
export const manifestBytes: Check = {
  name: 'manifest-bytes',
  must: 'Every manifest is there by tag and by digest, byte for byte as it was published, and so is that of each platform.',
  why: 'A digest is a promise about every byte: what a proxy, a minifier or a login page changes is refused.',
  judge({ image, noImage }) {
    if (image === undefined)
      return skipped(
        noImage === undefined ? 'there is no connection' : `${noImage}; name one: registrish doctor host/name:tag`,
      )
    return worst(judgeTag(image), judgeDigest(image), judgeChild(image))
  },
}

/** Blobs are what their digests say. */
export const blobBytes: Check = {
  name: 'blob-bytes',
  must: 'Every layer and configuration is there, byte for byte.',
  why: 'Clients hash what they download and throw away what differs.',
  judge({ image }) {
    const blob = image?.blob
    if (blob === undefined) return skipped('no manifest was got that names a blob')
    const { get, descriptor, part } = blob
    const { digest, size } = descriptor
    const fails = (text: string, seen: string, needed: string): Finding =>
      trouble({ text, request: get.request, seen, needed, clients: means('fails', 'gets no such layer') })
    if (isLost(get)) return skipped('redirects do not end')
    if (get.status !== 200) return fails(`a blob is ${statusText(get)}`, statusText(get), '200')
    if (part) return passed(`a blob of ${size} bytes is there; it is too large to be read here`)
    if (get.broken !== undefined)
      return fails('a download ended before its end', `${get.bytes.length} bytes`, `${size} bytes`)
    const actual = [get.bytes, unpacked(get)].map(bytes => digestOf(bytes, algorithmOf(digest)))
    if (actual.some(each => each === digest)) return passed('a blob has the bytes of its digest')
    return fails('a blob has other bytes', `${get.bytes.length} bytes of ${actual[0]}`, `${size} bytes of ${digest}`)
  },
}

function judgeTag({ tag, digest, claimed }: ImageSeen): Finding {
  if (isLost(tag.get)) return skipped('redirects do not end')
  const gone = absent(tag, 'the tag')
  if (gone !== undefined) return trouble({ ...gone, clients: means('fails', 'gets no manifest') })
  if (
    asDigest(tag.reference) !== undefined &&
    tag.reference !== tag.actual &&
    algorithmOf(asDigest(tag.reference) ?? digestOf('')) === 'sha256'
  )
    return trouble({ ...other(tag), clients: means('fails', 'compares the bytes with the digest') })
  if (digest?.get.status === 200) return passed('the manifest by tag is one that is there by digest')
  if (digest !== undefined && isLost(digest.get)) return skipped('redirects do not end')
  const isElsewhere = claimed?.status === 200
  return trouble({
    text: `the bytes by tag are ${tag.actual}, and by that digest there is nothing`,
    request: digest?.get.request ?? tag.get.request,
    seen: digest === undefined ? 'no answer' : statusText(digest.get),
    needed: '200',
    clients: {
      ...(isElsewhere
        ? means('caveat', 'pulls what the header of the tag names', ['docker', 'containerd'])
        : means('fails', 'asks for every manifest by digest too', ['docker', 'containerd'])),
      ...means('caveat', 'takes the bytes as they are', ['podman', 'crane']),
      ...(isElsewhere ? means('fails', 'compares the header with the bytes', ['oras', 'helm']) : {}),
    },
  })
}

function judgeDigest({ digest, tag }: ImageSeen): Finding {
  if (digest === undefined || digest.get.status !== 200) return skipped('no manifest was got by digest')
  if (digest.actual === tag.actual) return passed('the manifest by digest has the bytes of its digest')
  return trouble({
    ...(absent(digest, 'the digest') ?? other(digest)),
    clients: {
      ...means('fails', 'asks for every manifest by digest too', ['containerd']),
      // Docker compares the bytes with a digest that it was given, not with one that it found (its distribution/pull_v2.go).
      ...(digest.manifest === undefined
        ? means('fails', 'asks for every manifest by digest too', ['docker'])
        : means('caveat', 'takes the bytes by digest as they are', ['docker'])),
      ...means('caveat', 'pulls by digest fail', ['podman', 'crane', 'oras', 'helm']),
    },
  })
}

function judgeChild({ child, absent: platforms }: ImageSeen): Finding {
  if (child === undefined) return skipped('there are no children')
  if (platforms.length > 0) {
    return trouble({
      text: `the index names platforms whose manifests are not there: ${platforms.join(', ')}`,
      seen: '404',
      needed: '200, where someone pulls them',
      clients: means('caveat', 'cannot pull these platforms', PULLERS),
    })
  }
  if (isLost(child.get)) return skipped('redirects do not end')
  const { digest } = child.descriptor
  const isRight = child.actual !== undefined && digestOf(unpacked(child.get), algorithmOf(digest)) === digest
  if (isRight) return passed('the manifest of a platform has the bytes of its digest')
  return trouble({
    ...(absent(child, `the manifest of ${child.descriptor.platform?.architecture ?? 'a platform'}`) ?? other(child)),
    clients: means('fails', 'gets no manifest of its platform', PULLERS),
  })
}

type Told = Pick<Extract<Finding, { clients: unknown }>, 'text' | 'request' | 'seen' | 'needed'>

function absent({ get, manifest }: ManifestSeen, what: string): Told | undefined {
  const told = { request: get.request, seen: statusText(get), needed: '200' }
  if (get.status !== 200) return { ...told, text: `${what} is ${statusText(get)}` }
  if (get.broken !== undefined)
    return { ...told, text: `the answer for ${what} ended before its end`, seen: `${get.bytes.length} bytes` }
  if (manifest !== undefined) return undefined
  const seen = kindOf(get)
  return { ...told, text: `the answer for ${what} is ${seen}, not a manifest`, seen, needed: 'a manifest' }
}

function kindOf(answer: Answer): string {
  if (isWebPage(answer)) return 'a web page'
  return answer.whole ? 'something else' : 'more than any manifest has'
}

function other({ get, reference, actual }: ManifestSeen): Told {
  return {
    text: 'the bytes by digest are not those of the digest',
    request: get.request,
    seen: `bytes of ${actual}`,
    needed: `bytes of ${reference}`,
  }
}
