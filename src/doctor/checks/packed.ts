import { algorithmOf, digestOf } from '../../oci/digest.ts'
import { encodingOf, isLost, statusText } from '../answer.ts'
import { type Consequences, type Finding, passed, skipped, trouble } from '../check.ts'
import type { BlobSeen, ManifestSeen } from '../observations.ts'

/** Judges a manifest as Go programs ask for it, taking gzip: caches keep that answer apart. One that says that it is packed is judged with encodings. */
export function judgePacked(seen: ManifestSeen | undefined, what: string, clients: Consequences): Finding {
  if (seen?.actual === undefined || seen.manifest === undefined) return skipped('no manifest was got')
  const { packed, actual } = seen
  return judge(packed, { what, clients, isRight: digestOf(packed.bytes, algorithmOf(actual)) === actual })
}

/** The same of a blob; of a large one only the beginning is compared. */
export function judgePackedBlob({ get, packed, part, descriptor }: BlobSeen, clients: Consequences): Finding {
  if (get.status !== 200) return skipped('no blob was got')
  const { digest } = descriptor
  const isRight = part
    ? Buffer.from(packed.bytes).equals(get.bytes)
    : digestOf(packed.bytes, algorithmOf(digest)) === digest
  return judge(packed, { what: 'a blob', clients, isRight })
}

interface Judged {
  readonly what: string
  readonly clients: Consequences
  /** Whether the bytes are those that are due. */
  readonly isRight: boolean
}

function judge(packed: ManifestSeen['packed'], { what, clients, isRight }: Judged): Finding {
  const { request, status, broken } = packed
  const told = { request, clients }
  if (isLost(packed)) return skipped('redirects do not end')
  if (status !== 200) {
    const seen = statusText(packed)
    return trouble({ ...told, text: `${what} is ${seen} to who takes gzip, as most clients do`, seen, needed: '200' })
  }
  if (encodingOf(packed) !== undefined || isRight) return passed('it is the same to who takes gzip')
  return trouble({
    ...told,
    text: `${what} has other bytes for who takes gzip, as most clients do`,
    seen: broken === undefined ? 'other bytes' : `${packed.bytes.length} bytes, then: ${broken}`,
    needed: 'the same bytes',
  })
}
