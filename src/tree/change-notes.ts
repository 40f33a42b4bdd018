import { existsSync } from 'node:fs'
import { open, readdir, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, isRegistrishError, systemCode } from '../errors.ts'
import { isTreeRepository } from '../oci/name.ts'
import { ensureFolder, flushFolder } from './files.ts'
import { changedRepository, changePath, changesFolder, changesOf, PRIVATE } from './layout.ts'
import { type Lock, listTreeLocks } from './lock.ts'

/*
 * Whoever changes a repository brings the files of static hosts up to date afterwards, and may be killed in between: nobody would know that they are stale.
 * So a note is left before the first change of a repository becomes visible: an empty file below a folder that bears the id of the tree's lock under
 * which the change is made. Whoever refreshes hosts next does so for all that is noted. When the lock is gone, dead owners' included, no change
 * of that run can come any more: what was noted under it before a refresh began is done with after it. Ids are never used twice, so
 * that to forget one run's notes never forgets another's.
 */

/** What was noted. */
export interface ChangeNotes {
  /** The repositories that were noted, valid names only. */
  readonly repositories: readonly string[]
  /** Deletes the notes of runs that had ended when these were read, and of no others. */
  forget(): Promise<void>
}

/** Whether anything is noted: a single look. */
export async function hasChanges(root: string): Promise<boolean> {
  return (await list(root, changesFolder)).length > 0
}

/** Reads the notes that there are; what they say was changed by runs that ended may be read after this. */
export async function readChanges(root: string): Promise<ChangeNotes> {
  const runs = await Promise.all(
    (await list(root, changesFolder)).map(async id => ({ id, names: await list(root, changesOf(id)) })),
  )
  const running = runs.length === 0 ? new Set() : await listTreeLocks(root)
  const repositories = runs.flatMap(({ names }) => names.map(changedRepository)).filter(isTreeRepository)
  return {
    repositories: [...new Set(repositories)],
    async forget() {
      for (const { id, names } of runs) if (!running.has(id)) await removeNotes(root, changesOf(id), names)
    },
  }
}

/**
 * Makes what notes changes under a lock of the tree: to be awaited before anything of these repositories changes visibly, also again and at once. The
 * notes hold against a power loss by then. Notes of runs that ended are taken over, so that they do not pile up where nobody refreshes.
 */
export function createChangeNotes(root: string, { id }: Lock): (repositories: readonly string[]) => Promise<void> {
  const noted = new Map<string, Promise<void>>()
  let begun: Promise<void> | undefined
  return async repositories => {
    const fresh = repositories.filter(repository => !noted.has(repository))
    if (fresh.length > 0) {
      begun ??= begin(root, id)
      const writing = begun.then(() => writeNotes(root, id, fresh))
      for (const repository of fresh) noted.set(repository, writing)
    }
    await Promise.all(repositories.map(async repository => noted.get(repository)))
  }
}

/** Notes repositories before anything of them is deleted. Where the disk is full they go unnoted: deleting makes room. */
export async function noteDeletions(root: string, lock: Lock, repositories: readonly string[]): Promise<void> {
  try {
    await createChangeNotes(root, lock)(repositories)
  } catch (error) {
    if (!isRegistrishError(error, 'no-space')) throw error
  }
}

async function begin(root: string, id: string): Promise<void> {
  const earlier = await list(root, changesFolder)
  const ended = earlier.length === 0 ? earlier : await endedOf(root, earlier)
  const isNew = !existsSync(join(root, changesFolder))
  try {
    await ensureFolder(join(root, changesOf(id)))
  } catch (error) {
    throw fileError(error, 'make', changesOf(id))
  }
  if (isNew) await flushFolder(join(root, PRIVATE))
  await flushFolder(join(root, changesFolder))
  for (const run of ended) {
    const names = await list(root, changesOf(run))
    await writeNotes(root, id, names.map(changedRepository).filter(isTreeRepository))
    await removeNotes(root, changesOf(run), names)
  }
}

async function endedOf(root: string, runs: readonly string[]): Promise<readonly string[]> {
  const running = await listTreeLocks(root)
  return runs.filter(run => !running.has(run))
}

async function writeNotes(root: string, id: string, repositories: readonly string[]): Promise<void> {
  for (const repository of repositories) {
    const path = join(root, changePath(id, repository))
    try {
      await (await open(path, 'w', 0o644)).close()
    } catch (error) {
      throw fileError(error, 'write', path)
    }
  }
  if (repositories.length > 0) await flushFolder(join(root, changesOf(id)))
}

/** Another may be at it as well; a folder that has got more in it meanwhile stays. */
async function removeNotes(root: string, folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await gone(unlink(join(root, folder, name)), folder)
  await gone(rmdir(join(root, folder)), folder)
}

async function gone(removal: Promise<void>, folder: string): Promise<void> {
  try {
    await removal
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? ''))
      throw fileError(error, 'remove', folder)
  }
}

/** The names in a folder; none where there is no such folder. */
async function list(root: string, folder: string): Promise<readonly string[]> {
  try {
    return await readdir(join(root, folder))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw fileError(error, 'list', folder)
  }
}
