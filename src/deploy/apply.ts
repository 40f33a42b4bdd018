import { RegistrishError } from '../errors.ts'
import { callOf, withSignal } from './call-of.ts'
import { type Confirmation, createConfirmation, type Names } from './confirmation.ts'
import { type StoreDocument, writeDocument } from './documents.ts'
import { forEach } from './for-each.ts'
import { byOrder, isList } from './plan.ts'
import { type Preparation, planAgain } from './prepare.ts'
import { putTag, tooSlow } from './put-tag.ts'
import { type Applied, type ApplyOptions, addTo, send, sendFiles, type Writing } from './send.ts'
import type { ObjectStore } from './store.ts'
import { TAG_LANDING } from './writing-guard.ts'

/**
 * Writes what a plan says in the only safe order: blobs, manifests by digest with children before parents, referrers lists, tags, documents. Whatever is
 * visible has everything that it points to, at every moment and wherever this is cut off.
 */
export async function applyPlan(store: ObjectStore, prepared: Preparation, options: ApplyOptions): Promise<Applied> {
  const nothing = { objects: 0, bytes: 0 }
  const applied: Applied = { sent: nothing, copied: nothing, tags: [], stale: [] }
  const writing: Writing = { store, prepared, options, applied }
  const { documents, objects } = prepared
  const sendConstants = async (): Promise<void> => {
    for (const { object } of objects.constants) {
      await send(writing, object)
      applied.stale.push(object.key)
    }
  }
  // First of all, so that a run which is cut off leaves a store that is known for ours; where others have filled it, last, when all is mended.
  if (!prepared.isForeign) await sendConstants()
  await sendFiles(
    writing,
    objects.writes.filter(({ object }) => object.kind !== 'tag'),
  )
  await writeNames(writing, {
    lists: documents.filter(isList),
    tags: objects.writes.filter(({ object }) => object.kind === 'tag').sort(byOrder),
  })
  await putDocuments(
    writing,
    documents.filter(document => !isList(document)),
  )
  if (prepared.isForeign) await sendConstants()
  return applied
}

/** Rounds in which documents settle beside those who delete. */
const MOST_ROUNDS = 5

/** Looks at all documents again where somebody deletes from the store, this deploy or another. */
export async function settleDocuments(writing: Writing): Promise<void> {
  const { store, prepared, options } = writing
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const documents = await planAgain(store, prepared)
    if (documents.length === 0) return
    await putDocuments(writing, documents.filter(isList))
    await putDocuments(
      writing,
      documents.filter(document => !isList(document)),
    )
    await options.pause(round)
  }
}

async function putDocuments(writing: Writing, documents: readonly StoreDocument[]): Promise<void> {
  await forEach(documents, writing.options.jobs, async document => putDocument(writing, document))
}

/** Times that tags may be deleted as they come. */
const MOST_TRIES = 10

/** Writes what makes images visible. */
async function writeNames(writing: Writing, planned: Names): Promise<void> {
  const repositories = touchedRepositories(writing.prepared)
  if (repositories.size === 0) return
  const confirmation = createConfirmation(writing, { ...planned, repositories })
  await confirmation.ensure()
  let names = planned
  for (let tried = 0; tried < MOST_TRIES; tried += 1) {
    await writeOnce(writing, names, confirmation)
    names = await confirmation.findLost()
    if (names.lists.length + names.tags.length === 0) return
  }
  throw new RegistrishError('conflict', `another deploy deletes the tags of this one from ${writing.store.title}`, {
    hint: 'run the same command again when that one, which was given --prune, is done',
    side: 'target',
  })
}

/** Those that are written to, and those of which something waits to be deleted though the tree has it. */
function touchedRepositories({ objects, documents, recorded }: Preparation): ReadonlySet<string> {
  const written = [...objects.writes.map(({ object }) => object.repository), ...documents.map(each => each.repository)]
  return new Set([...written.filter(name => name !== undefined), ...recorded])
}

async function writeOnce(writing: Writing, { lists, tags }: Names, { ensure }: Confirmation): Promise<void> {
  const { jobs } = writing.options
  await forEach(lists, jobs, async list => {
    await putList(writing, list, ensure)
  })
  await forEach(tags, jobs, async tag => putTag(writing, tag, ensure))
}

/** A fallback tag is a tag: a write that takes longer than a confirmation holds is begun anew. */
async function putList(writing: Writing, list: StoreDocument, ensure: () => Promise<void>): Promise<void> {
  const { signal } = writing.options
  for (let tried = 1; ; tried += 1) {
    await ensure()
    const late = AbortSignal.timeout(TAG_LANDING)
    const within = withSignal(signal, late)
    try {
      return await putDocument({ ...writing, options: { ...writing.options, signal: within } }, list)
    } catch (error) {
      if (!late.aborted || signal?.aborted === true) throw error
      if (tried === MOST_TRIES) throw tooSlow(list.head.key, error)
    }
  }
}

async function putDocument(writing: Writing, document: StoreDocument): Promise<void> {
  const { store, options, applied } = writing
  if (!(await writeDocument(store, document, { pause: options.pause, ...callOf(options.signal) }))) return
  applied.sent = addTo(applied.sent, document.expected.length)
  applied.stale.push(document.head.key)
}
