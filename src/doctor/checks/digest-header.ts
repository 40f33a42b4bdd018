import type { Descriptor } from '../../oci/descriptor.ts'
import type { Answer } from '../answer.ts'
import { type Check, type Consequences, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import { isDigestOf, namedDigest } from '../named-digest.ts'
import type { ImageSeen } from '../observations.ts'
import { unpacked } from '../unpacked.ts'

/** The header that says what a tag names. */
export const digestHeader: Check = {
  name: 'digest-header',
  must: 'Docker-Content-Digest is the digest of the bytes, by tag and by digest, on HEAD as on GET. Blobs need none, but no other.',
  why: 'Docker and containerd believe it, and ask once more where it is missing; oras resolves tags by it alone; oras and helm compare it with the bytes. One that a cache kept from before a tag moved sends them to another image.',
  judge({ image }) {
    if (image?.tag.actual === undefined || image.tag.manifest === undefined)
      return skipped('no manifest was got by tag')
    if (image.digest?.actual !== image.tag.actual) return skipped('the bytes by tag are not there by digest')
    return worst(judgeTag(image), judgeChild(image), judgeBlob(image))
  },
}

function judgeTag({ tag, digest, claimed }: ImageSeen): Finding {
  const { actual = '' } = tag
  const [onHead, onGet] = [namedDigest(tag.head), namedDigest(tag.get)]
  const bytes = unpacked(tag.get)
  const needed = `Docker-Content-Digest: ${actual}`
  const isWrong = (value: string | undefined): boolean => value !== undefined && !isDigestOf(value, bytes)
  if (isWrong(onHead) || isWrong(onGet)) {
    const answer = isWrong(onHead) ? tag.head : tag.get
    return trouble({
      text: `Docker-Content-Digest is not the digest of the bytes`,
      request: answer.request,
      seen: `Docker-Content-Digest: ${namedDigest(answer)}`,
      needed,
      clients: {
        // Who was given a digest believes no other.
        ...(tag.reference.includes(':') ? {} : believing(isWrong(onHead), claimed?.status === 200)),
        ...(isWrong(onGet)
          ? means('fails', 'compares it with the bytes', ['oras', 'helm'])
          : means('caveat', 'oras resolve prints it', ['oras'])),
      },
    })
  }
  const byDigest = [digest?.head, digest?.get].find(answer => answer !== undefined && isWrong(namedDigest(answer)))
  if (byDigest !== undefined) {
    return trouble({
      text: 'Docker-Content-Digest of the answer by digest is another digest',
      request: byDigest.request,
      seen: `Docker-Content-Digest: ${namedDigest(byDigest)}`,
      needed,
      clients: means('caveat', 'pulls by digest fail', ['oras', 'helm']),
    })
  }
  if (tag.head.status === 200 && (onHead === undefined || onGet === undefined)) {
    return trouble({
      text: 'there is no Docker-Content-Digest by tag: Docker and containerd ask once more for each tag',
      request: (onHead === undefined ? tag.head : tag.get).request,
      seen: 'no Docker-Content-Digest',
      needed,
      clients: means('caveat', 'oras resolve, oras discover and oras cp -r fail by tag: name a digest', ['oras']),
    })
  }
  return passed('Docker-Content-Digest is the digest of the bytes')
}

/** Nobody but oras compares it for children. */
function judgeChild({ child }: ImageSeen): Finding {
  if (child === undefined) return passed('')
  return judgeNamed(child, 'the manifest of a platform', means('fails', 'compares it with the bytes', ['oras']))
}

/** oras-go compares it for blobs too, from 2.6.0 on (its #897). */
function judgeBlob({ blob }: ImageSeen): Finding {
  if (blob === undefined) return passed('')
  return judgeNamed(blob, 'a blob', means('fails', 'compares it with the digest that was asked for', ['oras', 'helm']))
}

/** What was asked for by digest may go without the header, but not with another. */
function judgeNamed(
  { descriptor, get }: { readonly descriptor: Descriptor; readonly get: Answer },
  what: string,
  clients: Consequences,
): Finding {
  const header = namedDigest(get)
  if (header === undefined || header === descriptor.digest) return passed('')
  return trouble({
    text: `Docker-Content-Digest of ${what} is another digest`,
    request: get.request,
    seen: `Docker-Content-Digest: ${header}`,
    needed: `Docker-Content-Digest: ${descriptor.digest}`,
    clients,
  })
}

/** What those do that believe HEAD; `isThere`: a manifest stands at the digest that is named. */
function believing(isOnHead: boolean, isThere: boolean): Consequences {
  if (!isOnHead) return {}
  return {
    ...(isThere
      ? means('caveat', 'pulls the image of the digest that the header names, an older one perhaps', [
          'docker',
          'containerd',
        ])
      : means('fails', 'asks for the digest that the header names, and it is not there', ['docker', 'containerd'])),
    ...means('caveat', 'crane digest prints it', ['crane']),
  }
}
