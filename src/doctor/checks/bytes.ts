import { asDigest } from '../../oci/digest.ts'
import { type Answer, isLost, isWebPage, statusText } from '../answer.ts'
import { type Check, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import type { ChildSeen, ImageSeen, ManifestSeen } from '../observations.ts'
import { judgePacked } from './packed.ts'
import { failsByDigest, PULLERS, readersOfTag } from './readers.ts'

/** Manifests are what their digests say. */
export const manifestBytes: Check = {
  name: 'manifest-bytes',
  must: 'Every manifest is there by tag and by digest, byte for byte as it was published, and so is that of each platform; for who takes gzip too.',
  why: 'A digest is a promise about every byte: what a proxy, a minifier or a login page changes is refused.',
  judge({ image, noImage }) {
    if (image === undefined) return skipped(noImage ?? 'there is no connection')
    const { tag, digest, child, nested } = image
    const toPullers = means('fails', 'gets no manifest of its platform', PULLERS)
    return worst(
      judgeTag(image),
      judgeDigest(image),
      judgeAbsent(image),
      judgeChild(tag, child),
      child === undefined ? skipped('there are no children') : judgeChild(child, nested),
      judgePacked(tag, 'the tag', means('fails', 'gets no manifest', readersOfTag(tag))),
      judgePacked(digest, 'the digest', failsByDigest('asks for every manifest by digest too')),
      ...[child, nested].map(each => judgePacked(each, 'the manifest of a platform', toPullers)),
    )
  },
}

function judgeTag({ tag, digest, claimed }: ImageSeen): Finding {
  if (isLost(tag.get)) return skipped('redirects do not end')
  const gone = absent(tag, 'the tag')
  if (gone !== undefined) return trouble({ ...gone, ...misnamed(tag), clients: means('fails', 'gets no manifest') })
  if (asDigest(tag.reference) !== undefined && tag.reference !== tag.actual)
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

/** What is not there may be somewhere else. */
function misnamed({ get }: ManifestSeen): Pick<Told, 'fix'> {
  return get.status === 404 ? { fix: 'check the name and the tag; if they are right, publish that image' } : {}
}

function judgeAbsent({ absent: platforms }: ImageSeen): Finding {
  if (platforms.length === 0) return skipped('there is no child that is not there')
  return trouble({
    text: `the index names platforms whose manifests are not there: ${platforms.join(', ')}`,
    seen: 'they are not there',
    needed: '200, where someone pulls them',
    clients: means('caveat', 'cannot pull these platforms', PULLERS),
    fix: 'fetch and publish these platforms too, if somebody pulls them',
  })
}

function judgeChild(parent: ManifestSeen, child: ChildSeen | undefined): Finding {
  if (child === undefined) return parent.manifest?.kind === 'index' ? namesNothing(parent) : skipped('no children')
  if (isLost(child.get)) return skipped('redirects do not end')
  if (child.actual === child.descriptor.digest)
    return child.manifest?.kind === 'index'
      ? namesIndex(child)
      : passed('the manifest of a platform has the bytes of its digest')
  return trouble({
    ...(absent(child, `the manifest of ${child.descriptor.platform?.architecture ?? 'a platform'}`) ?? other(child)),
    clients: means('fails', 'gets no manifest of its platform', PULLERS),
  })
}

/** Measured: containerd and crane look into it. */
function namesIndex({ get }: ManifestSeen): Finding {
  return trouble({
    text: 'what the index names for a platform is an index again',
    request: get.request,
    seen: 'an index in an index',
    needed: 'an image',
    clients: means('fails', 'takes only an image there', ['docker', 'podman']),
  })
}

/** oras takes an index without entries for what it is. */
function namesNothing({ get }: ManifestSeen): Finding {
  return trouble({
    text: 'the index names no image',
    request: get.request,
    seen: 'an index without images',
    needed: 'an entry for each platform',
    clients: means(
      'fails',
      'finds no image for its platform',
      PULLERS.filter(client => client !== 'oras'),
    ),
  })
}

type Told = Pick<Extract<Finding, { clients: unknown }>, 'text' | 'request' | 'seen' | 'needed' | 'fix'>

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
