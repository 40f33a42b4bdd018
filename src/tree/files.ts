import { randomUUID } from 'node:crypto'
import {
  type BigIntStats,
  constants,
  existsSync,
  fchmodSync,
  lstatSync,
  realpathSync,
  renameSync,
  statSync,
} from 'node:fs'
import { chmod, copyFile, link, lstat, mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import { incomingFolder, PUBLIC } from './layout.ts'
import { shareRuns } from './share-runs.ts'

/** Modes of everything in a tree, whatever the umask: the web server is another user. */
const FILE_MODE = 0o644
const FOLDER_MODE = 0o755

/** Makes a folder and its parents, readable by all. */
export async function ensureFolder(path: string): Promise<void> {
  // As a rule it is there, and to look is much cheaper than to try.
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, FOLDER_MODE)
}

/**
 * Makes a folder (absolute) of a tree like {@link ensureFolder}; one of v2/ has to lie inside it, whatever symbolic links lead there: nothing is
 * written where it would not be read, or into folders of others.
 * @throws RegistrishError `conflict`, `no-space`, `io`.
 */
export async function ensureFolderInside(root: string, path: string): Promise<void> {
  const folder = relative(root, path)
  try {
    await ensureFolder(path)
    if (folder.split(sep)[0] !== PUBLIC || isFolderInside(root, folder)) return
  } catch (error) {
    throw fileError(error, 'make', path)
  }
  throw new RegistrishError('conflict', `${path} is behind a symbolic link that leads out of ${join(root, PUBLIC)}`, {
    hint: 'remove the link, or move what it leads to in its place',
    side: 'target',
  })
}

/** Lets everyone into a folder that may have been made by others, as git does under a tight umask. One that belongs to somebody else is left as it is. */
export async function openToAll(path: string): Promise<void> {
  const stats = await lstat(path)
  if (!stats.isDirectory() || (stats.mode & FOLDER_MODE) === FOLDER_MODE) return
  await chmod(path, stats.mode | FOLDER_MODE).catch((error: unknown) => {
    if (systemCode(error) !== 'EPERM') throw fileError(error, 'open to all', path)
  })
}

/**
 * Writes a small file so that it is visible whole or not at all, even after a power loss: written elsewhere, flushed, renamed.
 * Does nothing where the same bytes are there. `path` is root-relative; `before` is done first, where anything is. True if it wrote.
 * @throws RegistrishError `no-space`, `io`.
 */
export async function writeWhole(
  root: string,
  path: string,
  bytes: Uint8Array,
  { before }: { readonly before?: () => Promise<void> } = {},
): Promise<boolean> {
  const target = join(root, path)
  if (await holds(target, bytes)) return false
  await before?.()
  try {
    await ensureFolderInside(root, dirname(target))
    const temporary = await newTemporary(root)
    try {
      const handle = await open(temporary, 'wx', FILE_MODE)
      try {
        await handle.writeFile(bytes)
        fchmodSync(handle.fd, FILE_MODE)
        await handle.datasync()
      } finally {
        await handle.close()
      }
      renameSync(temporary, target)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  } catch (error) {
    throw fileError(error, 'write', target)
  }
  return true
}

/**
 * Gives the file `named` a second name `to` (absolute paths), atomically replacing what bears it: a hard link, or a copy where the
 * file system gives none (EMLINK, EPERM, EXDEV, ENOTSUP). A symbolic link is followed: elsewhere it would lead elsewhere. False where `to` is
 * that very file already.
 */
export async function linkOrCopy(root: string, named: string, to: string): Promise<boolean> {
  try {
    const from = await realpath(named)
    await ensureFolderInside(root, dirname(to))
    try {
      await linkFile(from, to)
      return true
    } catch (error) {
      if (systemCode(error) === 'EEXIST') {
        if (await sameFile(from, to)) return false
      } else if (!NO_LINK.has(systemCode(error) ?? '')) throw error
    }
    const temporary = await newTemporary(root)
    try {
      await linkFile(from, temporary).catch(async (error: unknown) => {
        if (!NO_LINK.has(systemCode(error) ?? '')) throw error
        await copyWhole(from, temporary)
      })
      await rename(temporary, to)
    } finally {
      await rm(temporary, { force: true })
    }
    return true
  } catch (error) {
    throw fileError(error, 'link', to)
  }
}

/** Names that are replaced again and again while they are linked. */
const MOST_REPLACED = 20

/** link(2) finds no file where another writer of the same bytes renames its own onto the name in that moment: the inode that was found has no name left. */
async function linkFile(from: string, to: string): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await link(from, to)
      return
    } catch (error) {
      const isReplaced = systemCode(error) === 'ENOENT' && statSync(from, { throwIfNoEntry: false }) !== undefined
      if (!isReplaced || tried === MOST_REPLACED || !existsSync(dirname(to))) throw error
    }
  }
}

/** Whether two paths are one file: same device and inode. Compared as bigint, since inode numbers outgrow doubles. */
async function sameFile(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([lstat(a, { bigint: true }), lstat(b, { bigint: true })])
  return left.ino === right.ino && left.dev === right.dev
}

/** A key that equals another's only for one and the same file. */
export function fileKey(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`
}

/** Flushes a folder's entries, so that a later rename cannot survive a power loss that this one does not. Does nothing where there is no such folder, or where folders cannot be flushed. */
export async function flushFolder(path: string): Promise<void> {
  return flushes(path, async () => {
    try {
      const handle = await open(path, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (!UNFLUSHABLE.has(systemCode(error) ?? '')) throw fileError(error, 'flush', path)
    }
  })
}

/** Many tags of a repository are set at once: those that wait share the next flush of their folder. */
const flushes = shareRuns<void>()

/** There is none; or a system or file system that flushes files only (Windows, some network file systems). */
const UNFLUSHABLE = new Set(['ENOENT', 'EINVAL', 'EPERM', 'EACCES', 'EISDIR', 'ENOTSUP'])

/**
 * The state of the regular file at a root-relative path of v2/, or undefined where there is none. Symbolic links, of the file or of a folder on
 * the way, count only while they stay inside v2/.
 */
export function statInside(root: string, path: string): BigIntStats | undefined {
  return isFolderInside(root, dirname(path)) ? statEntry(root, path) : undefined
}

/** Like {@link statInside}, for many files of one folder of which {@link isFolderInside} was asked before. */
export function statEntry(root: string, path: string): BigIntStats | undefined {
  const absolute = join(root, path)
  try {
    const stats = lstatSync(absolute, { bigint: true, throwIfNoEntry: false })
    if (stats?.isSymbolicLink() === true)
      return isInside(root, absolute) ? onlyFile(statSync(absolute, { bigint: true })) : undefined
    return onlyFile(stats)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** Whether a root-relative folder is there and lies inside v2/, whatever symbolic links lead to it. */
export function isFolderInside(root: string, folder: string): boolean {
  try {
    return isInside(root, join(root, folder))
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
}

/** A new name in the tree's incoming folder. */
export async function newTemporary(root: string): Promise<string> {
  const folder = join(root, incomingFolder)
  await ensureFolder(folder)
  return join(folder, `${process.pid}-${randomUUID()}`)
}

function isInside(root: string, path: string): boolean {
  if (!passesLink(join(root, PUBLIC), path)) return true
  const inside = relative(realpathSync.native(join(root, PUBLIC)), realpathSync.native(path))
  return inside !== '..' && !inside.startsWith(`..${sep}`)
}

/** Whether the way from a folder to what is below it passes a symbolic link: to look at each of a few names is much cheaper than to resolve them all. */
function passesLink(folder: string, path: string): boolean {
  const names = relative(folder, path).split(sep)
  if (names[0] === '' || names[0] === '..') return true
  let at = folder
  return names.some(name => {
    at = `${at}${sep}${name}`
    return lstatSync(at).isSymbolicLink()
  })
}

function onlyFile(stats: BigIntStats | undefined): BigIntStats | undefined {
  return stats?.isFile() === true ? stats : undefined
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ELOOP', 'ENOTDIR'].includes(systemCode(error) ?? '')
}

async function copyWhole(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  const handle = await open(to, 'r+')
  try {
    fchmodSync(handle.fd, FILE_MODE)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

async function holds(path: string, bytes: Uint8Array): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined || !stats.isFile() || stats.size !== bytes.length) return false
  return (await readFile(path)).equals(bytes)
}

const NO_LINK = new Set(['EMLINK', 'EPERM', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
