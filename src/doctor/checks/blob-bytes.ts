import { algorithmOf, digestOf } from '../../oci/digest.ts'
import { isLost, lengthOf, statusText } from '../answer.ts'
import { type Check, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import type { BlobGlimpse, BlobSeen } from '../observations.ts'
import { isAnswered } from '../observe-blob.ts'
import { unpacked } from '../unpacked.ts'
import { judgePackedBlob } from './packed.ts'

/** Blobs are what their digests say. */
export const blobBytes: Check = {
  name: 'blob-bytes',
  must: 'Every layer and configuration is there, byte for byte; for who takes gzip too.',
  why: 'Clients hash what they download and throw away what differs.',
  judge({ image }) {
    if (image?.blob === undefined) return skipped('no manifest was got that names a blob')
    const { blob, blobs } = image
    return worst(
      judgeBlob(blob),
      judgePackedBlob(blob, means('fails', 'gets no such layer')),
      ...blobs.map(judgeGlimpse),
    )
  },
}

function judgeBlob({ get, descriptor, part }: BlobSeen): Finding {
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
}

/** Of the blobs that were not read: whether they are there, and as long as they have to be. */
function judgeGlimpse({ descriptor, answer }: BlobGlimpse): Finding {
  const { size } = descriptor
  if (isLost(answer)) return skipped('redirects do not end')
  if (isAnswered(answer, descriptor)) return passed(`a blob of ${size} bytes is there`)
  const isThere = answer.status === 200
  const stated = `${lengthOf(answer)} bytes`
  return trouble({
    text: `a blob of ${size} bytes ${isThere ? `has ${stated}` : `is ${statusText(answer)}`}`,
    request: answer.request,
    seen: isThere ? stated : statusText(answer),
    needed: isThere ? `${size} bytes` : '200',
    clients: means('fails', 'gets no such layer'),
  })
}
