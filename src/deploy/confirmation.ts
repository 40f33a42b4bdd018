import { RegistrishError } from '../errors.ts'
import { asDigest, digestOf } from '../oci/digest.ts'
import { manifestPath, parseRequestPath, referrersPath, repositoryFolder, tagsListPath } from '../tree/layout.ts'
import { callOf } from './call-of.ts'
import { type LocalRepository, neededKeys, type WantedObject } from './content.ts'
import type { StoreDocument } from './documents.ts'
import { forEach } from './for-each.ts'
import type { PlannedWrite } from './plan-objects.ts'
import { reachOfTags } from './prune-reach.ts'
import { sendFiles, type Writing } from './send.ts'
import { sparseChildren } from './sparse.ts'

/** Sees to it that what tags need is there and stays, before they appear. */
export interface Confirmation {
  /** Before each tag: whoever may delete what it needs must know that it is needed, and what was deleted already is sent again. Holds for a while only. */
  ensure(): Promise<void>
  /** After all tags: what was deleted of them as they came, and of the tags that stood there as they should. */
  findLost(): Promise<Names>
}

/** What makes images visible. */
export interface Names {
  /** Referrers lists and fallback tags. */
  readonly lists: readonly StoreDocument[]
  readonly tags: readonly PlannedWrite[]
}

/** Times that something may be deleted while it is confirmed. */
const MOST_TRIES = 10

/** What a deploy makes visible, or relies on. */
export interface Relying extends Names {
  /** Repositories that are written to, or of which something waits to be deleted. */
  readonly repositories: ReadonlySet<string>
}

/** For what a deploy relies on: all of the repositories that it touches. */
export function createConfirmation(writing: Writing, { lists, tags, repositories }: Relying): Confirmation {
  const { store, options, prepared } = writing
  const { guard, sources } = prepared
  const touched = prepared.repositories.filter(({ name }) => repositories.has(name))
  const objects = touched.flatMap(repository => repository.objects)
  const byKey = new Map(objects.map(object => [object.key, object]))
  const planned = new Set(tags.map(({ object }) => object.key))
  const settled = objects.filter(({ key, kind }) => kind === 'tag' && !planned.has(key))
  const keys = new Set([...planned, ...lists.flatMap(listKeys)])
  for (const repository of touched) {
    for (const key of neededKeys(repository)) keys.add(key)
    for (const key of documentKeys(repository)) keys.add(key)
  }
  // What platforms that the tree lacks need is known to the store alone.
  const sparse = touched.flatMap(repository => [...sparseChildren(repository, sources.listing)])
  let reaching: Promise<void> | undefined
  const reach = async (): Promise<void> => {
    const { keys: below, unread } = await reachOfTags(store, sparse, callOf(options.signal))
    for (const key of below) keys.add(key)
    for (const name of unread)
      for (const key of sources.listing.keys()) if (key.startsWith(`${repositoryFolder(name)}/`)) keys.add(key)
  }
  // The guard tells of each deletion once, and of a tag that was there already maybe before others are written.
  const told = new Set<string>()
  const confirm = async (): Promise<readonly string[]> => {
    const doubtful = await guard.confirm(keys, callOf(options.signal))
    for (const key of doubtful) told.add(key)
    return doubtful
  }
  let running: Promise<void> | undefined
  const run = async (): Promise<void> => {
    reaching ??= reach()
    await reaching
    for (let tried = 0; tried < MOST_TRIES; tried += 1) {
      const doubtful = await confirm()
      if (doubtful.length === 0) return
      await sendAgain(doubtful)
    }
    throw new RegistrishError('conflict', `another deploy deletes from ${store.title} what this one needs`, {
      hint: 'run the same command again when that one, which was given --prune, is done',
      side: 'target',
    })
  }
  const sendAgain = async (doubtful: readonly string[]): Promise<void> => {
    await refuseLost(
      writing,
      doubtful.filter(key => !byKey.has(key) && isContent(key) && sources.listing.has(key)),
    )
    const files = doubtful.flatMap(key => byKey.get(key) ?? []).filter(({ kind }) => kind !== 'tag')
    const lost = await findAbsent(writing, files)
    await sendFiles(
      writing,
      lost.map(object => ({ object, change: 'new' })),
    )
  }
  return {
    async ensure() {
      if (guard.isFresh()) return
      running ??= run().finally(() => {
        running = undefined
      })
      await running
    },
    async findLost() {
      const doubtful = await confirm()
      if (doubtful.length > 0) await sendAgain(doubtful)
      const all: Names = { lists, tags: [...tags, ...settled.map(object => ({ object, change: 'new' as const }))] }
      const gone = await findGone(writing, all, told)
      told.clear()
      return gone
    },
  }
}

/** The key of a list; of a fallback tag also that at which its manifest stands. */
function listKeys({ head, kind, repository, expected }: StoreDocument): readonly string[] {
  if (kind !== 'fallback' || repository === undefined) return [head.key]
  return [head.key, manifestPath(repository, digestOf(expected))]
}

/** Keys of the documents of a repository. */
function* documentKeys({ name, referrers, fallbacks }: LocalRepository): Generator<string> {
  yield tagsListPath(name)
  for (const subject of referrers.keys()) yield referrersPath(name, subject)
  for (const tag of fallbacks.keys()) yield manifestPath(name, tag)
}

/** Whether a key is that of a blob or of a manifest by digest. */
function isContent(key: string): boolean {
  const target = parseRequestPath(`/${key}`)
  return target?.kind === 'blob' || (target?.kind === 'manifest' && asDigest(target.reference) !== undefined)
}

/** What the tree lacks and the store held when it was listed can only be there still. @throws RegistrishError `conflict`. */
async function refuseLost({ store, options }: Writing, keys: readonly string[]): Promise<void> {
  await forEach(keys, options.jobs, async key => {
    if ((await store.head(key, callOf(options.signal))) !== undefined) return
    throw new RegistrishError('conflict', `another deploy has deleted ${key}, which images of this tree need`, {
      hint: 'the tree does not hold it: fetch the image whole, then run the same command again',
      side: 'target',
    })
  })
}

/** Those of some names that are among the doubtful keys and are not there. */
async function findGone(
  { store, options }: Writing,
  { lists, tags }: Names,
  doubtful: ReadonlySet<string>,
): Promise<Names> {
  const keys = [...lists.map(({ head }) => head.key), ...tags.map(({ object }) => object.key)]
  const gone = new Set<string>()
  await forEach(
    keys.filter(key => doubtful.has(key)),
    options.jobs,
    async key => {
      if ((await store.head(key, callOf(options.signal))) === undefined) gone.add(key)
    },
  )
  return {
    lists: lists.filter(({ head }) => gone.has(head.key)),
    tags: tags.filter(({ object }) => gone.has(object.key)).map(tag => ({ ...tag, condition: 'absent' })),
  }
}

async function findAbsent(
  { store, options }: Writing,
  objects: readonly WantedObject[],
): Promise<readonly WantedObject[]> {
  const absent: WantedObject[] = []
  await forEach(objects, options.jobs, async object => {
    const found = await store.head(object.key, callOf(options.signal))
    if (found?.size !== object.size) absent.push(object)
  })
  return absent
}
