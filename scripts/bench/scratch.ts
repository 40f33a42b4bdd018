import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder for one bench. */
export interface Scratch {
  readonly folder: string
  /** What kind of file system it is on. */
  readonly kind: string
  remove(): void
}

/** Bytes and files that the largest bench needs, generously. */
const ROOM = { bytes: 3 * 2 ** 30, files: 1_500_000 }
const MEMORY = '/dev/shm'

/** Makes an empty folder that a web server's user can read: in memory where there is room, so that no disk is measured. It also goes when this process ends. */
export function makeScratch(): Scratch {
  const memory = hasRoom(MEMORY)
  const folder = mkdtempSync(join(memory ? MEMORY : tmpdir(), 'registrish-bench-'))
  chmodSync(folder, 0o755)
  const remove = (): void => {
    process.off('exit', remove)
    rmSync(folder, { recursive: true, force: true })
  }
  process.on('exit', remove)
  return { folder, kind: memory ? 'in memory' : `on disk, since ${MEMORY} has no room`, remove }
}

function hasRoom(folder: string): boolean {
  if (!existsSync(folder)) return false
  const { bavail, bsize, ffree } = statfsSync(folder)
  return bavail * bsize > ROOM.bytes && ffree > ROOM.files
}
