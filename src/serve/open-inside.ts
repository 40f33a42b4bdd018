import { closeSync, constants, fstatSync, lstatSync, openSync, realpathSync, type Stats } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { RegistrishError, systemCode } from '../errors.ts'
import { PUBLIC } from '../tree/layout.ts'

/** What tells one state of a file from another. Doubles are enough here: all of them must agree at once. */
export interface Stamp {
  readonly dev: number
  readonly ino: number
  /** Bytes. */
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
}

/** A file of the tree, open for reading. */
export interface OpenFile {
  readonly fd: number
  /** Its state when it was opened; `size` is what is sent. */
  readonly stamp: Stamp
  /** Gives the descriptor back; harmless when repeated. Not before a read that is under way has ended. */
  close(): void
}

/**
 * Opens a regular file of v2/ by its root-relative path; undefined where there is none, or where symbolic links lead out of v2/.
 * The check is made on the very file that was opened, so that a link that is swapped meanwhile gains nothing.
 * @throws the system error for anything but absence, EMFILE among them.
 */
export function openInside(root: string, path: string): OpenFile | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const fd = orAbsent(() => openSync(join(root, path), FLAGS))
    if (fd === undefined) return undefined
    let keep = false
    try {
      const stats = fstatSync(fd)
      const real = realInside(root, path)
      if (real === undefined && lstatSync(join(root, path), QUIET) !== undefined) return undefined
      const found = real === undefined ? undefined : lstatSync(real, QUIET)
      if (found === undefined || found.ino !== stats.ino || found.dev !== stats.dev) continue
      if (!stats.isFile()) return undefined
      keep = true
      return own(fd, stats)
    } finally {
      if (!keep) closeSync(fd)
    }
  }
  throw new RegistrishError('conflict', `${path} is being replaced too quickly to be read`, { side: 'source' })
}

/** Where a root-relative path really is, or undefined where nothing is there or symbolic links lead out of v2/. */
export function realInside(root: string, path: string): string | undefined {
  return orAbsent(() => {
    const real = realpathSync.native(join(root, path))
    const inside = relative(realpathSync.native(join(root, PUBLIC)), real)
    return inside === '..' || inside.startsWith(`..${sep}`) ? undefined : real
  })
}

/** Whether an error says that a path names nothing: absent, below a file, too long, or links in a circle. */
export function isAbsent(error: unknown): boolean {
  return ABSENT.has(systemCode(error) ?? '')
}

/** How often a file may be replaced between opening and checking it. */
const ATTEMPTS = 5
/** Opening a pipe would block without O_NONBLOCK; it changes nothing for files. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
const QUIET = { throwIfNoEntry: false } as const
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO'])

function own(fd: number, stats: Stats): OpenFile {
  const { dev, ino, size, mtimeMs, ctimeMs } = stats
  let open = true
  return {
    fd,
    stamp: { dev, ino, size, mtimeMs, ctimeMs },
    close(): void {
      if (open) closeSync(fd)
      open = false
    },
  }
}

function orAbsent<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}
