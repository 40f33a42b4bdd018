import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts'
import { type Answer, encodingOf } from '../answer.ts'
import { type Check, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import { unpacked } from '../unpacked.ts'

/** Nothing is packed on the way. */
export const encoding: Check = {
  name: 'encoding',
  must: 'No answer has a Content-Encoding, not even where a client takes gzip.',
  why: 'Layers are gzip by themselves. A host that labels one so has every Go program unpack it, and the digest is then another. Packing manifests on the fly takes their length away.',
  judge({ image }) {
    if (image === undefined) return skipped('there is no image to try')
    const { tag, digest, child, blob } = image
    const manifests = [tag, digest, child].flatMap(seen =>
      seen?.actual === undefined ? [] : [seen.get, seen.packed].map(answer => ofManifest(answer, seen.actual)),
    )
    const blobs =
      blob === undefined || blob.part
        ? []
        : [blob.get, blob.packed].map(answer => ofBlob(answer, blob.descriptor.digest))
    return worst(...blobs, ...manifests)
  },
}

function ofManifest(answer: Answer, digest: Digest | undefined): Finding {
  const packing = encodingOf(answer)
  if (answer.status !== 200 || digest === undefined) return skipped('no manifest was got')
  if (packing === undefined) return passed('nothing is packed')
  const isRight = isPackedWell(answer, digest)
  return trouble({
    ...tell(answer, packing),
    text: `manifests are packed (${packing})`,
    clients: isRight
      ? means('caveat', 'has no length then, and asks once more by HEAD', ['oras', 'helm'])
      : means('fails', 'cannot unpack it'),
  })
}

function ofBlob(answer: Answer, digest: Digest): Finding {
  const packing = encodingOf(answer)
  if (answer.status !== 200) return skipped('no blob was got')
  if (packing === undefined) return passed('nothing is packed')
  if (isPackedWell(answer, digest)) {
    return trouble({
      ...tell(answer, packing),
      text: `layers are packed (${packing}) on the fly`,
      clients: means('caveat', 'gets them unpacked, without their length'),
    })
  }
  return trouble({
    ...tell(answer, packing),
    text: `a layer is labelled ${packing}, which is what it is, not how it is sent`,
    clients: {
      ...means('fails', 'unpacks it, and then hashes other bytes', ['containerd', 'podman', 'crane', 'oras', 'helm']),
      ...means('caveat', 'takes layers as they are, newer versions do not', ['docker']),
    },
  })
}

/** Whether what was packed is what the digest says: only gzip is unpacked by Go programs. */
function isPackedWell(answer: Answer, digest: Digest): boolean {
  const bytes = unpacked(answer)
  return bytes !== answer.bytes && digestOf(bytes, algorithmOf(digest)) === digest
}

function tell(
  { request }: Answer,
  packing: string,
): Pick<Extract<Finding, { clients: unknown }>, 'request' | 'seen' | 'needed'> {
  return { request, seen: `Content-Encoding: ${packing}`, needed: 'no Content-Encoding' }
}
