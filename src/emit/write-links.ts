import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  type Dirent,
  fchmodSync,
  fsyncSync,
  futimesSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileError, systemCode } from '../errors.ts'
import { algorithmOf, digestOf, hexOf } from '../oci/digest.ts'
import type { EmittedLink, HardLink, LinkFarm, SymbolicLink } from './emitter.ts'
import { ensureFolder, temporaryBeside } from './write-files.ts'

/** Links that are made before the event loop gets a turn: synchronous calls are several times cheaper than promises in such numbers. */
export const BATCH = 256

/** Where links go: a tree's root and the farm of one host. */
export interface FarmPlace {
  readonly root: string
  readonly farm: LinkFarm
}

/**
 * Makes the links of one repository what they should be and returns how many changed. A server that reads meanwhile finds every link whole: what
 * symbolic links point to is there before them, a link moves by rename, and what is not wanted any more goes last, so that of two files that answer for one name one is always there.
 * @throws RegistrishError `no-space`, `io`.
 */
export async function writeLinks(
  { root, farm }: FarmPlace,
  repository: string,
  links: Iterable<EmittedLink>,
): Promise<number> {
  const wanted = new Map<string, EmittedLink>()
  for (const link of links) wanted.set(link.path, link)
  const folder = farm.folderOf(repository)
  const present = new Set(listLinks(root, folder))
  const stale = [...present].filter(path => !wanted.has(path))
  let turn = 0
  let changed = 0
  const count = async (change: boolean): Promise<void> => {
    if (change) changed += 1
    if (++turn % BATCH === 0) await setImmediate()
  }
  for (const link of wanted.values())
    if (link.type === 'link') await count(placeHardLink(root, link, present.has(link.path)) === true)
  for (const link of wanted.values()) {
    if (link.type === 'symlink') await count(placeSymbolicLink(root, link, present.has(link.path)))
    else if (link.type === 'text')
      await count(placeBytes(root, { path: link.path, bytes: Buffer.from(link.text) }, present.has(link.path)))
  }
  for (const path of stale) await count(removeLink(root, path))
  if (stale.length > 0 || wanted.size === 0) removeEmptyFolders(root, folder, farm.folder)
  return changed
}

/** Removes everything in a farm that is not below one of the folders to keep; returns how many links went. */
export function removeStrayLinks({ root, farm }: FarmPlace, keep: ReadonlySet<string>): number {
  const strays = [...listLinks(root, farm.folder, keep)]
  for (const path of strays) removeLink(root, path)
  const folders = new Set(strays.map(path => dirname(path)))
  for (const folder of folders) removeEmptyFolders(root, folder, farm.folder)
  return strays.length
}

/** Root-relative paths of everything below a folder that is not a folder, leaving out some folders. */
export function* listLinks(root: string, folder: string, except: ReadonlySet<string> = new Set()): Generator<string> {
  for (const entry of listEntries(join(root, folder))) {
    const path = `${folder}/${entry.name}`
    if (!entry.isDirectory()) yield path
    else if (!except.has(path)) yield* listLinks(root, path, except)
  }
}

function listEntries(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if (isAbsent(error)) return []
    throw fileError(error, 'list', folder)
  }
}

/** False where the link is there already; undefined where the file is not what it was when it was listed: whoever changed it lists it again. */
export function placeHardLink(
  root: string,
  { path, to, digest }: Omit<HardLink, 'type'>,
  present: boolean,
): boolean | undefined {
  const target = join(root, path)
  try {
    const source = findSource(root, to)
    if (source === undefined) return undefined
    const there = present ? lstatSync(target, STAT) : undefined
    const named = basename(to) === digest
    const holdsIt = (file: string): boolean => digestOf(readFileSync(file), algorithmOf(digest)) === digest
    // A copy is known again by its date, which what a tag names may share with what it named before.
    const isCertain = there?.ino === source.stats.ino || [digest, hexOf(digest)].includes(basename(path))
    if (there !== undefined && isSame(source.stats, there) && (isCertain || holdsIt(target))) return false
    if (there === undefined && named && tryLink(source.path, target)) return true
    const temporary = temporaryBeside(target)
    try {
      if (!tryLink(source.path, temporary)) copyWhole(source.path, temporary, source.stats)
      if (!named && !holdsIt(temporary)) return undefined
      renameSync(temporary, target)
    } finally {
      rmSync(temporary, { force: true })
    }
    return true
  } catch (error) {
    throw fileError(error, 'link', target)
  }
}

function placeSymbolicLink(root: string, { path, to }: SymbolicLink, present: boolean): boolean {
  const link = join(root, path)
  const target = relative(dirname(path), to)
  try {
    if (present && readLink(link) === target) return false
    if (!present) symlinkSync(target, link)
    else {
      const temporary = temporaryBeside(link)
      rmSync(temporary, { force: true })
      symlinkSync(target, temporary)
      renameSync(temporary, link)
    }
    return true
  } catch (error) {
    throw fileError(error, 'link', link)
  }
}

/** False where those bytes are there already. */
export function placeBytes(
  root: string,
  { path, bytes }: { readonly path: string; readonly bytes: Uint8Array },
  present: boolean,
): boolean {
  const file = join(root, path)
  try {
    if (present && readRegular(file)?.equals(bytes) === true) return false
    ensureFolder(dirname(file))
    const temporary = temporaryBeside(file)
    try {
      // A power loss may leave an old text or a new one; one that is new altogether may be empty until the next emit: a flush takes longer than all the rest.
      writeFileSync(temporary, bytes, { mode: 0o644, flush: present })
      chmodSync(temporary, 0o644)
      renameSync(temporary, file)
    } finally {
      rmSync(temporary, { force: true })
    }
    return true
  } catch (error) {
    throw fileError(error, 'write', file)
  }
}

/** The bytes of a regular file that all may read; undefined for anything else. */
function readRegular(path: string): Buffer | undefined {
  const stats = lstatSync(path)
  return stats.isFile() && (stats.mode & 0o777) === 0o644 ? readFileSync(path) : undefined
}

export function removeLink(root: string, path: string): boolean {
  try {
    rmSync(join(root, path), { force: true })
    return true
  } catch (error) {
    throw fileError(error, 'remove', join(root, path))
  }
}

/** Removes a folder, what is below it and above it up to `top`, as far as they are empty. */
export function removeEmptyFolders(root: string, folder: string, top: string): void {
  for (const entry of listEntries(join(root, folder)))
    if (entry.isDirectory()) removeEmptyFolders(root, `${folder}/${entry.name}`, folder)
  for (let path = folder; path !== top && path.startsWith(`${top}/`); path = dirname(path)) {
    try {
      rmdirSync(join(root, path))
    } catch (error) {
      if (systemCode(error) === 'ENOENT') continue
      if (['ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')) return
      throw fileError(error, 'remove', join(root, path))
    }
  }
}

/** The regular file at a path of the tree, behind a symbolic link too (the tree lists none that leads out of it); undefined where it is gone. */
function findSource(root: string, path: string): { readonly path: string; readonly stats: BigIntStats } | undefined {
  const absolute = join(root, path)
  const stats = lstatSync(absolute, STAT)
  if (stats?.isSymbolicLink() !== true) return stats === undefined ? undefined : { path: absolute, stats }
  const real = realpathSync(absolute)
  return { path: real, stats: lstatSync(real, { bigint: true }) }
}

/** One and the same file (inode numbers outgrow doubles), or a copy of it that was made here or came with the tree: dates are set to about a millisecond. */
function isSame(source: BigIntStats, there: BigIntStats): boolean {
  if (source.ino === there.ino && source.dev === there.dev) return true
  const apart = source.mtimeMs - there.mtimeMs
  return there.isFile() && source.size === there.size && apart >= -1n && apart <= 1n
}

/** Whether the file system gave a hard link; it may give none at all, none here, or no more of this file. */
function tryLink(from: string, to: string): boolean {
  for (;;) {
    try {
      linkSync(from, to)
      return true
    } catch (error) {
      const code = systemCode(error) ?? ''
      if (code === 'ENOENT' && lstatSync(dirname(to), STAT) === undefined) ensureFolder(dirname(to))
      else if (code === 'EEXIST') rmSync(to)
      else if (NO_LINK.has(code)) return false
      else throw error
    }
  }
}

/** A copy bears the date of its source, by which it is known again. */
function copyWhole(from: string, to: string, { mtimeMs }: BigIntStats): void {
  ensureFolder(dirname(to))
  copyFileSync(from, to, constants.COPYFILE_FICLONE)
  const file = openSync(to, 'r+')
  try {
    fchmodSync(file, 0o644)
    futimesSync(file, Number(mtimeMs) / 1000, Number(mtimeMs) / 1000)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Where a symbolic link points; undefined for anything else. */
function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    if (systemCode(error) === 'EINVAL') return undefined
    throw error
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')
}

const STAT = { bigint: true, throwIfNoEntry: false } as const
const NO_LINK = new Set(['EMLINK', 'EPERM', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
