import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import { flushFolder } from '../tree/files.ts'
import { PUBLIC } from '../tree/layout.ts'
import type { RouteTable } from '../tree/route.ts'
import type { Job } from './check.ts'
import type { Emitter } from './emitter.ts'
import { isInUse } from './marker.ts'
import { isTemporary } from './write-files.ts'
import { BATCH, listLinks, placeBytes, placeHardLink, removeEmptyFolders, removeLink } from './write-links.ts'

/** Where a site goes, and what it is made from. */
interface SiteContent {
  readonly root: string
  readonly table: RouteTable
  /** Paths of the site's folder that the emitter prints itself. */
  readonly printed: ReadonlySet<string>
}

/** What came of writing a site. */
interface WrittenSite {
  /** How many files changed. */
  readonly changed: number
  /** Whether each file is what the table said. Another may have changed the tree since. */
  readonly complete: boolean
}

/**
 * Brings a site's folder to exactly the files that the host is to serve; without a site there is nothing to do. Nobody serves that folder as it stands,
 * it is published as a whole: so only each file is whole at every moment, not the site.
 * @throws RegistrishError `no-space`, `io`; `name-invalid` for a path that leaves the folder.
 */
export async function writeSite(
  { emitter, options }: Job,
  { root, table, printed }: SiteContent,
): Promise<WrittenSite> {
  const { site } = emitter
  if (site === undefined) return { changed: 0, complete: true }
  const stale = new Set(listLinks(root, site.folder))
  const free = new Set<string>()
  let turn = 0
  let changed = 0
  let complete = true
  for await (const file of site.files(table, options)) {
    refuseOutside(site.folder, file.path)
    if ('to' in file) refuseOutside(PUBLIC, file.to)
    const present = stale.delete(file.path)
    changed += clearWay(root, file.path, { stale, free, present })
    const placed = 'to' in file ? placeHardLink(root, file, present) : placeBytes(root, file, present)
    if (placed === undefined) complete = false
    if (placed === true) changed += 1
    if (++turn % BATCH === 0) await setImmediate()
  }
  const unwanted = [...stale].filter(path => !printed.has(path))
  for (const path of unwanted) removeLink(root, path)
  if (unwanted.length > 0) removeEmptyFolders(root, site.folder, dirname(site.folder))
  return { changed: changed + unwanted.length, complete }
}

/**
 * Refuses to take what is somebody's own for the site, which would delete it: where the host is not in use, a folder that holds something but what the emitter prints
 * (root-relative paths) and what a kill left of it; where it is in use, a file where the emitter makes none. @throws RegistrishError `conflict`.
 */
export function refuseForeignSite(root: string, emitter: Emitter, printed: ReadonlySet<string>): void {
  const { site } = emitter
  if (site === undefined) return
  for (let path = join(root, site.folder); path.length > root.length; path = dirname(path)) {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (stats !== undefined && !stats.isDirectory()) throw foreign(emitter, relative(root, path), 'is not a folder')
  }
  const isPrinted = (name: string): boolean => printed.has(`${site.folder}/${name}`) || isTemporary(name)
  const others = listNames(join(root, site.folder)).filter(name => !isPrinted(name))
  if (!isInUse(root, emitter)) {
    if (others.length > 0) throw foreign(emitter, site.folder, 'was not made by registrish')
    return
  }
  for (const name of others.sort()) {
    if (site.names.has(name) || name === OF_FINDER) continue
    const [file] = listFilesAt(root, `${site.folder}/${name}`)
    if (file !== undefined)
      throw foreign(emitter, file, `was not made by registrish, and all of ${site.folder} is published`)
  }
}

/** What macOS leaves in a folder that was looked at. */
const OF_FINDER = '.DS_Store'

function listFilesAt(root: string, path: string): Iterable<string> {
  return lstatSync(join(root, path), { throwIfNoEntry: false })?.isDirectory() === true ? listLinks(root, path) : [path]
}

/** Makes sure of a site's marker before the first of its files: what a loss of power left without one would be taken for somebody's own. */
export async function flushMarker(root: string, { site, marker }: Emitter): Promise<void> {
  if (site === undefined) return
  for (let folder = dirname(join(root, marker)); folder.length >= root.length; folder = dirname(folder))
    await flushFolder(folder)
}

function listNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileError(error, 'list', folder)
  }
}

interface Way {
  /** What is there, as far as it has not been found to be wanted. */
  readonly stale: Set<string>
  /** Folders that nothing stands in the place of. */
  readonly free: Set<string>
  /** Whether something that is no folder is at the path. */
  readonly present: boolean
}

/**
 * Takes away what stands where a folder must be (a symbolic link there would lead out of the site), and a folder where a file must be; returns how many files went.
 * @throws RegistrishError `io`.
 */
function clearWay(root: string, path: string, { stale, free, present }: Way): number {
  const above: string[] = []
  for (let folder = dirname(path); folder !== '.' && !free.has(folder); folder = dirname(folder)) above.unshift(folder)
  for (const folder of above) {
    if (stale.delete(folder)) {
      removeLink(root, folder)
      return 1
    }
    free.add(folder)
  }
  if (present || lstatSync(join(root, path), { throwIfNoEntry: false })?.isDirectory() !== true) return 0
  const within = [...stale].filter(other => other.startsWith(`${path}/`))
  for (const other of within) stale.delete(other)
  try {
    rmSync(join(root, path), { recursive: true })
  } catch (error) {
    throw fileError(error, 'remove', join(root, path))
  }
  return within.length
}

/** The names in a table have been checked before; what an emitter makes of them has not. */
function refuseOutside(folder: string, path: string): void {
  const isInside = path.startsWith(`${folder}/`) && !path.split('/').some(part => ['', '.', '..'].includes(part))
  if (isInside) return
  throw new RegistrishError('name-invalid', `${path} is not in ${folder}`, { side: 'target' })
}

function foreign({ name }: Emitter, path: string, why: string): RegistrishError {
  return new RegistrishError('conflict', `${path} ${why}: it is left as it is`, {
    hint: `move it away and run registrish emit --host ${name} again`,
    side: 'target',
  })
}
