import { algorithmOf, digestOf } from '../../oci/digest.ts'
import { statusText } from '../answer.ts'
import { type Check, means, passed, skipped, trouble } from '../check.ts'
import type { BlobSeen } from '../observations.ts'
import { PIECE } from '../observe-blob.ts'
import type { Client } from '../report.ts'

const RESUMING: readonly Client[] = ['docker', 'containerd', 'podman']

/** Parts of layers can be asked for. */
export const range: Check = {
  name: 'range',
  must: 'A Range of a blob is answered with 206, the right Content-Range and the right bytes.',
  why: 'What breaks in the middle of a large layer is resumed there; without it Docker and containerd begin again and podman gives up. Lazy pulling (stargz, SOCI) is made of nothing else.',
  judge({ image }) {
    const blob = image?.blob
    if (blob === undefined || blob.get.status !== 200) return skipped('no blob was got')
    if (blob.descriptor.size <= PIECE) return skipped('the image has no blob that is large enough to take a part of')
    const { range: answer, offset, descriptor } = blob
    const needed = `206, Content-Range: bytes ${offset}-${offset + PIECE - 1}/${descriptor.size}`
    if (answer.status !== 206) {
      return trouble({
        text:
          answer.status === 200
            ? 'a Range is ignored: the whole blob comes'
            : `a Range is answered with ${statusText(answer)}`,
        request: answer.request,
        seen: statusText(answer),
        needed,
        clients: {
          ...means('caveat', 'begins again where a download breaks', RESUMING),
          ...means('caveat', 'gives up where a download breaks', ['podman']),
        },
      })
    }
    const stated = answer.headers['content-range'] ?? ''
    if (stated === needed.slice('206, Content-Range: '.length) && hasRightBytes(blob))
      return passed('a Range is answered with that part')
    return trouble({
      text: 'a Range is answered with another part than was asked for',
      request: answer.request,
      seen: stated === '' ? '206 without Content-Range' : `206, Content-Range: ${stated}`,
      needed,
      clients: means('caveat', 'fails where a download breaks', RESUMING),
    })
  },
}

/** Compared where the whole blob was read, and is right. */
function hasRightBytes({ range: answer, get, offset, descriptor, part }: BlobSeen): boolean {
  if (part || digestOf(get.bytes, algorithmOf(descriptor.digest)) !== descriptor.digest) return true
  return Buffer.from(answer.bytes).equals(get.bytes.subarray(offset, offset + PIECE))
}
