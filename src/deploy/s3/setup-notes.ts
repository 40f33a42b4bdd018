import { quote } from '../../oci/digest.ts'
import { publicPrefix } from '../../tree/layout.ts'
import type { Document } from './setup-documents.ts'
import { asDocument, listOf, textsOf } from './setup-values.ts'

/** What lifecycle rules do to the registry: those that delete it, or put it where it cannot be read. */
export function lifecycleNotes(rules: readonly Document[]): readonly string[] {
  return rules.flatMap(rule => {
    const place = placeOf(rule)
    if (rule['Status'] !== 'Enabled' || place === undefined) return []
    const expiration = asDocument(rule['Expiration'])
    const archive = listOf(rule['Transitions']).find(({ StorageClass }) => ARCHIVES.has(StorageClass))
    const name = nameOf(rule)
    return [
      ...(isTimed(expiration)
        ? [`${name} deletes what lies under ${place} ${whenOf(expiration)}: images can then not be pulled; ${MEND}`]
        : []),
      ...(archive === undefined
        ? []
        : [
            `${name} moves what lies under ${place} to ${archive['StorageClass']} ${whenOf(archive)}: nothing there can be read, so images can then not be pulled; ${MEND}`,
          ]),
    ]
  })
}

const MEND = 'have that rule hold for another prefix, or disable it'

/** Classes whose objects must be restored before they are read (Amazon S3, "Understanding and managing Amazon S3 storage classes"). */
const ARCHIVES: ReadonlySet<unknown> = new Set(['GLACIER', 'DEEP_ARCHIVE'])

/** Where in the registry a rule holds; undefined where it does not. Rules for tags of objects do not: ours have none. */
function placeOf(rule: Document): string | undefined {
  const filter = asDocument(rule['Filter'])
  const and = asDocument(filter['And'])
  if (listOf([filter['Tag'], and['Tags']].flat()).length > 0) return undefined
  const [prefix = ''] = textsOf([rule['Prefix'], filter['Prefix'], and['Prefix']])
  if (publicPrefix.startsWith(prefix)) return publicPrefix
  return prefix.startsWith(publicPrefix) ? prefix : undefined
}

/** Whether it is about objects, not about what versions of them leave behind. */
function isTimed({ Days, Date: date }: Document): boolean {
  return Days !== undefined || date !== undefined
}

function whenOf({ Days }: Document): string {
  return typeof Days === 'number' ? `when it is ${Days} days old` : 'from a date on'
}

/** What CORS rules that stand before ours do to it: the first rule that fits is taken, and no other. */
export function corsNotes(earlier: readonly Document[], ours: Document): readonly string[] {
  return earlier.flatMap(rule => {
    const isForAll = textsOf(rule['AllowedOrigins']).some(origin => /^(?:https?:\/\/)?\*$/.test(origin))
    const reads = textsOf(rule['AllowedMethods']).some(method => method === 'GET' || method === 'HEAD')
    const exposed = textsOf(rule['ExposeHeaders']).map(name => name.toLowerCase())
    const hidden = textsOf(ours['ExposeHeaders']).filter(name => !exposed.includes(name.toLowerCase()))
    if (!isForAll || !reads || exposed.includes('*') || hidden.length === 0) return []
    return [
      `${nameOf(rule)} stands before ours and lets pages of all hosts read, but hides ${hidden.join(', ')} from them; add these to its ExposeHeaders, or remove it`,
    ]
  })
}

function nameOf({ ID }: Document): string {
  return typeof ID === 'string' && ID !== '' ? `its rule ${quote(ID)}` : 'one of its rules'
}
