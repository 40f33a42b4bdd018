import { isRegistrishError, throwIfAborted } from '../../errors.ts'
import type { BucketAdmin } from './setup-admin.ts'
import { BUCKET_PARTS, type BucketPart, type DocumentOptions, documentOf } from './setup-documents.ts'
import { mergeDocument } from './setup-merge.ts'

/** What became of one part of a bucket. */
export interface SetupResult {
  readonly part: 'bucket' | BucketPart
  /** `unknown`: the store has no such thing; `refused`: it is someone's own and stays. */
  readonly outcome: 'done' | 'unchanged' | 'unknown' | 'refused'
  /** A clause that goes on after the name of the part. */
  readonly text: string
  readonly hint?: string
  /** What the user should know besides. */
  readonly notes?: readonly string[]
}

/** How {@link applySetup} sets up a bucket. */
export interface SetupOptions extends DocumentOptions {
  readonly parts: readonly BucketPart[]
  readonly signal?: AbortSignal
}

/**
 * Makes a bucket what a registry needs: creates it where it is not there, joins what is needed with what it is told already, and does nothing the second time.
 * What others have said is kept, or the part is refused. Gives each result as it comes about. @throws RegistrishError of side `target`.
 */
export async function* applySetup(admin: BucketAdmin, options: SetupOptions): AsyncGenerator<SetupResult> {
  yield await ensureBucket(admin)
  const region = options.region ?? admin.region()
  for (const part of BUCKET_PARTS.filter(known => options.parts.includes(known))) {
    throwIfAborted(options.signal)
    yield await applyPart(admin, part, { ...options, region })
  }
}

async function ensureBucket(admin: BucketAdmin): Promise<SetupResult> {
  if (await admin.has()) return { part: 'bucket', outcome: 'unchanged', text: 'is there' }
  await admin.create()
  return { part: 'bucket', outcome: 'done', text: 'created' }
}

async function applyPart(admin: BucketAdmin, part: BucketPart, options: SetupOptions): Promise<SetupResult> {
  try {
    const found = await admin.read(part)
    const merged = mergeDocument(part, found, documentOf(part, options))
    if (merged.type === 'refuse') return { part, outcome: 'refused', text: merged.reason, hint: merged.hint }
    const hasNotes = merged.notes !== undefined && merged.notes.length > 0
    const notes = hasNotes ? { notes: merged.notes } : {}
    if (merged.type === 'same')
      return {
        part,
        outcome: 'unchanged',
        text: hasNotes ? 'has what is needed, and more' : 'as it should be',
        ...notes,
      }
    await admin.write(part, merged.document)
    return { part, outcome: 'done', text: found === undefined ? 'set' : 'changed; what others set is kept', ...notes }
  } catch (error) {
    // A bucket that nobody can read is no registry; the other parts are for comfort.
    if (!isRegistrishError(error, 'unsupported') || part === 'policy' || part === 'acl') throw error
    return { part, outcome: 'unknown', text: 'not known to this store' }
  }
}
