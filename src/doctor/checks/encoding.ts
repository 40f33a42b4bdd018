import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts'
import { type Answer, encodingOf, lengthOf } from '../answer.ts'
import { type Check, type Consequences, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import type { ManifestSeen } from '../observations.ts'
import { unpacked } from '../unpacked.ts'
import { failsByDigest, PULLERS, readersOfTag } from './readers.ts'

/** Nothing is packed on the way. */
export const encoding: Check = {
  name: 'encoding',
  must: 'No answer has a Content-Encoding, not even where a client takes gzip.',
  why: 'Layers are gzip by themselves. A host that labels one so has every Go program unpack it, and the digest is then another. Packing manifests on the fly takes their length away.',
  judge({ image }) {
    if (image === undefined) return skipped('there is no image to try')
    const { tag, digest, child, nested, blob } = image
    const manifests = [
      ofManifest(tag, means('fails', CANNOT, readersOfTag(tag))),
      ofManifest(digest, failsByDigest('asks for every manifest by digest too, and cannot unpack it')),
      ...[child, nested].map(each => ofManifest(each, means('fails', CANNOT, PULLERS))),
    ]
    const blobs =
      blob === undefined
        ? []
        : [blob.get, blob.packed].map(answer =>
            blob.part ? ofPart(answer, blob.descriptor.size) : ofBlob(answer, blob.descriptor.digest),
          )
    return worst(...blobs, ...manifests)
  },
}

const CANNOT = 'cannot unpack it'

function ofManifest(seen: ManifestSeen | undefined, wrong: Consequences): Finding {
  if (seen?.actual === undefined) return skipped('no manifest was got')
  const { actual } = seen
  return worst(...[seen.get, seen.packed].map(answer => judgeManifest(answer, { actual, wrong })))
}

function judgeManifest(
  answer: Answer,
  { actual, wrong }: { readonly actual: Digest; readonly wrong: Consequences },
): Finding {
  const packing = encodingOf(answer)
  if (answer.status !== 200) return skipped('no manifest was got')
  if (packing === undefined) return passed('nothing is packed')
  if (isLeftAlone(answer, actual)) {
    const isRead = wrong.containerd?.verdict === 'fails'
    return trouble({ ...mislabelled(answer, packing), ...(isRead ? {} : { clients: {} }) })
  }
  return trouble({
    ...tell(answer, packing),
    text: `manifests are packed (${packing})`,
    clients: isPackedWell(answer, actual)
      ? means('caveat', 'has no length then, and asks once more by HEAD', ['oras', 'helm'])
      : wrong,
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
  if (isLeftAlone(answer, digest)) return trouble(mislabelled(answer, packing))
  return trouble({
    ...tell(answer, packing),
    text: `a layer is labelled ${packing}, which is what it is, not how it is sent`,
    clients: means('fails', 'unpacks it, and then hashes other bytes'),
  })
}

/** Of a large blob: what is packed on the way has another length, or none. */
function ofPart(answer: Answer, size: number): Finding {
  const packing = encodingOf(answer)
  if (answer.status !== 200) return skipped('no blob was got')
  if (packing === undefined) return passed('nothing is packed')
  if (lengthOf(answer) !== size)
    return trouble({
      ...tell(answer, packing),
      text: `layers are packed (${packing}) on the fly`,
      clients: means('caveat', 'gets them unpacked, without their length'),
    })
  if (packing !== 'gzip') return trouble(mislabelled(answer, packing))
  return trouble({
    ...tell(answer, packing),
    text: `a layer is labelled ${packing}, which is what it is, not how it is sent`,
    clients: means('fails', 'unpacks it, and then hashes other bytes'),
  })
}

/** Whether the bytes are right as they came, and the label one that Go programs do not know. */
function isLeftAlone(answer: Answer, digest: Digest): boolean {
  return encodingOf(answer) !== 'gzip' && digestOf(answer.bytes, algorithmOf(digest)) === digest
}

/** containerd's own reading of the header came with 2.0: it unpacks zstd and deflate too, and refuses what else there is (core/remotes/docker/fetcher.go). */
function mislabelled(answer: Answer, packing: string): Omit<Extract<Finding, { clients: unknown }>, 'outcome'> {
  const isZstd = packing === 'zstd' && Buffer.from(answer.bytes.subarray(0, 4)).equals(ZSTD)
  return {
    ...tell(answer, packing),
    text: isZstd
      ? 'a layer is labelled zstd, which is what it is, not how it is sent'
      : `what is not packed is labelled ${packing}`,
    clients: isZstd
      ? means('fails', 'unpacks it from containerd 2.0 on, and then hashes other bytes', ['containerd'])
      : means('fails', 'refuses it from containerd 2.0 on', ['containerd']),
  }
}

/** How zstd begins (RFC 8878, section 3.1.1). */
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

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
