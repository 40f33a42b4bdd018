import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Room } from './bench.ts'

/** A folder for one bench. */
export interface Scratch {
  readonly folder: string
  /** What kind of file system it is on. */
  readonly kind: string
  remove(): void
}

/** What most benches need. */
const ROOM: Room = { bytes: 3 * 2 ** 30, files: 1_500_000 }
const MEMORY = '/dev/shm'

/**
 * Makes an empty folder that a web server's user can read: in memory where there is room, so that no disk is measured. It also goes when this process ends.
 * Undefined where there is no room anywhere.
 */
export function makeScratch(room: Room = ROOM): Scratch | undefined {
  if (existsSync(MEMORY) && freemem() > room.bytes && hasRoom(MEMORY, room)) return makeFolder(MEMORY, 'in memory')
  if (!hasRoom(tmpdir(), room)) return undefined
  return makeFolder(tmpdir(), `on disk, since ${MEMORY} has no room`)
}

/** Makes such a folder on a disk, near the temporary files or the current folder; undefined where all of these are in memory or full. */
export function makeDiskScratch(room: Room): Scratch | undefined {
  const place = [tmpdir(), process.cwd()].find(folder => !isInMemory(folder) && hasRoom(folder, room))
  return place === undefined ? undefined : makeFolder(place, 'on disk')
}

function makeFolder(place: string, kind: string): Scratch {
  const folder = mkdtempSync(join(place, 'registrish-bench-'))
  chmodSync(folder, 0o755)
  const remove = (): void => {
    process.off('exit', remove)
    rmSync(folder, { recursive: true, force: true })
  }
  process.on('exit', remove)
  return { folder, kind, remove }
}

/** File systems that do not count their files say 0 of 0. */
function hasRoom(folder: string, room: Room): boolean {
  const { bavail, bsize, files, ffree } = statfsSync(folder)
  return bavail * bsize > room.bytes && (files === 0 || ffree > room.files)
}

/** The kinds tmpfs and ramfs, as Linux numbers them. */
function isInMemory(folder: string): boolean {
  return [0x01021994, 0x858458f6].includes(statfsSync(folder).type)
}
