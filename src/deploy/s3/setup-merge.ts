import { isDeepStrictEqual } from 'node:util'
import { deletionsKey } from '../../tree/layout.ts'
import { type BucketPart, type Document, OURS, resourceName } from './setup-documents.ts'
import { corsNotes, lifecycleNotes } from './setup-notes.ts'
import { asDocument, definedOf, listOf, textsOf } from './setup-values.ts'

/** What becomes of what a bucket is told already. */
export type Merged =
  /** It says what is needed. */
  | { readonly type: 'same'; readonly notes?: readonly string[] }
  /** This is to be written; whatever was there is in it. */
  | { readonly type: 'change'; readonly document: Document; readonly notes?: readonly string[] }
  /** It is someone's own and cannot say both. */
  | { readonly type: 'refuse'; readonly reason: string; readonly hint: string }

/** Joins what a bucket is told with what it needs: nothing of others' is lost. `found` is undefined where nothing is said. */
export function mergeDocument(part: BucketPart, found: Document | undefined, wanted: Document): Merged {
  if (part === 'policy') return mergePolicy(found ?? {}, wanted)
  if (part === 'acl') return mergeAcl(found, wanted)
  if (part === 'public-access') return mergeBlock(found ?? {}, wanted)
  if (found === undefined) return { type: 'change', document: wanted }
  if (part === 'cors') return mergeCors(found, wanted)
  if (part === 'lifecycle') return mergeLifecycle(found, wanted)
  return mergeWebsite(found, wanted)
}

/** Our statements replace those of their names; a statement that is no longer wanted goes. */
function mergePolicy(found: Document, wanted: Document): Merged {
  const ours: readonly unknown[] = [OURS.read, OURS.list]
  const present = listOf(found['Statement'])
  const others = present.filter(({ Sid }) => !ours.includes(Sid))
  const statements = listOf(wanted['Statement'])
  const notes = notesOn(others, statements)
  const kept = present.filter(({ Sid }) => ours.includes(Sid))
  if (isDeepStrictEqual(kept.map(canonical).sort(bySid), statements.map(canonical).sort(bySid)))
    return { type: 'same', notes }
  return { type: 'change', document: { ...wanted, ...found, Statement: [...others, ...statements] }, notes }
}

/** One of several ways to write a statement: stores give back another than they took. */
function canonical(statement: Document): Document {
  const { Sid, Effect, Principal, Action, Resource, ...rest } = statement
  const anyone = isAnyone(Principal)
  return {
    ...rest,
    Sid,
    Effect,
    Principal: anyone ? '*' : Principal,
    Action: textsOf(Action).toSorted(),
    Resource: textsOf(Resource).toSorted(),
  }
}

/** What others' statements do to ours. */
function notesOn(others: readonly Document[], ours: readonly Document[]): readonly string[] {
  const [bucket = ''] = textsOf(ours[0]?.['Resource'])[0]?.split(':::').at(-1)?.split('/') ?? []
  const secret = resourceName(`${bucket}/${deletionsKey}`)
  return others.flatMap(({ Sid, Effect, Principal, Action, Resource }) => {
    const name = typeof Sid === 'string' && Sid !== '' ? `its statement ${Sid}` : 'one of its statements'
    if (Effect === 'Deny') return [`${name} denies something, and that wins over what allows it`]
    const reads = textsOf(Action).some(action => globOf(action).test('s3:GetObject'))
    if (!isAnyone(Principal) || !reads || !textsOf(Resource).some(resource => globOf(resource).test(secret))) return []
    return [`${name} lets anyone read more than the registry, ${deletionsKey} too`]
  })
}

function mergeAcl(found: Document | undefined, wanted: Document): Merged {
  const readers = listOf(found?.['Grants']).filter(
    ({ Grantee, Permission }) =>
      ['READ', 'FULL_CONTROL'].includes(String(Permission)) && String(asDocument(Grantee)['URI']).endsWith('/AllUsers'),
  )
  if (readers.length > 0) return { type: 'same' }
  const others = listOf(found?.['Grants']).filter(({ Permission }) => Permission !== 'FULL_CONTROL')
  if (others.length === 0) return { type: 'change', document: wanted }
  return {
    type: 'refuse',
    reason: 'its access list has grants of its own, which public-read would replace',
    hint: 'add READ for AllUsers to it, or take a bucket of its own for the registry',
  }
}

/** Only what stands in the way of a policy is let go; a bucket without a block blocks nothing. */
function mergeBlock(found: Document, wanted: Document): Merged {
  const needed = {
    BlockPublicPolicy: wanted['BlockPublicPolicy'],
    RestrictPublicBuckets: wanted['RestrictPublicBuckets'],
  }
  const merged = { ...found, ...needed }
  const blocks = found['BlockPublicPolicy'] === true || found['RestrictPublicBuckets'] === true
  return blocks ? { type: 'change', document: merged } : { type: 'same' }
}

/** Ours stands behind those of others. */
function mergeCors(found: Document, wanted: Document): Merged {
  const [ours = {}] = listOf(wanted['CORSRules'])
  const merged = mergeRules('CORSRules', found, wanted)
  const rules = rulesOf('CORSRules', found, merged)
  const place = rules.findIndex(rule => rule['ID'] === ours['ID'])
  return { ...merged, notes: corsNotes(rules.slice(0, place), ours) }
}

/** Any rule for the whole bucket that aborts uploads will do. */
function mergeLifecycle(found: Document, wanted: Document): Merged {
  const aborts = listOf(found['Rules']).some(rule => {
    const filter = definedOf(asDocument(rule['Filter']))
    const isForAll = isDeepStrictEqual(filter, {}) || isDeepStrictEqual(filter, { Prefix: '' })
    const days = asDocument(rule['AbortIncompleteMultipartUpload'])['DaysAfterInitiation']
    return rule['Status'] === 'Enabled' && isForAll && (rule['Prefix'] ?? '') === '' && typeof days === 'number'
  })
  const merged: Joined = aborts ? { type: 'same' } : mergeRules('Rules', found, wanted)
  return { ...merged, notes: lifecycleNotes(rulesOf('Rules', found, merged)) }
}

/** Rules can always say both. */
type Joined = Exclude<Merged, { readonly type: 'refuse' }>

/** Rules by their ID: ours replaces ours, others stay before it. */
function mergeRules(name: string, found: Document, wanted: Document): Joined {
  const [ours] = listOf(wanted[name])
  const rules = listOf(found[name])
  const others = rules.filter(({ ID }) => ID !== ours?.['ID'])
  if (rules.some(rule => isDeepStrictEqual(definedOf(rule), ours))) return { type: 'same' }
  return { type: 'change', document: { ...found, [name]: [...others, ours] } }
}

/** The rules that hold in the end. */
function rulesOf(name: string, found: Document, merged: Joined): readonly Document[] {
  return listOf((merged.type === 'change' ? merged.document : found)[name])
}

function mergeWebsite(found: Document, wanted: Document): Merged {
  const parts = Object.keys(wanted)
  const differs = parts.some(key => !isDeepStrictEqual(definedOf(asDocument(found[key])), wanted[key]))
  const redirects = found['RedirectAllRequestsTo'] !== undefined || listOf(found['RoutingRules']).length > 0
  if (!differs && !redirects) return { type: 'same' }
  return {
    type: 'refuse',
    reason: 'it is a website of its own already, with other pages',
    hint: 'leave it as it is: only pulls from the website endpoint need ours; or remove it (aws s3api delete-bucket-website) and set up again',
  }
}

function isAnyone(principal: unknown): boolean {
  return principal === '*' || textsOf(asDocument(principal)['AWS']).includes('*')
}

/** The pattern that a `*` and `?` of a policy make. */
function globOf(glob: string): RegExp {
  const pattern = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${pattern}$`, 'i')
}

function bySid(left: Document, right: Document): number {
  return String(left['Sid']) < String(right['Sid']) ? -1 : 1
}
