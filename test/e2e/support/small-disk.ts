import { rmdir } from 'node:fs/promises'
import { onTestFinished } from 'vitest'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { run } from './run.ts'

/** What a disk in memory holds, and how it is mounted. */
export interface DiskOptions {
  /** Bytes. Default 32 MiB. */
  readonly size?: number
  /** Files, folders and links. Default: any number. */
  readonly files?: number
}

/** Mounts a small disk in memory until the test ends, and returns its folder. Needs root. */
export async function mountDisk({ size = 32 * 2 ** 20, files = 0 }: DiskOptions = {}): Promise<string> {
  const folder = await makeTemporaryFolder()
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size},nr_inodes=${files},mode=755`, 'registrish-test', folder])
  onTestFinished(async () => {
    await run('umount', ['-l', folder])
    await rmdir(folder).catch(() => {})
  })
  return folder
}

/** Mounts a disk anew, read-only or writable. */
export async function remount(folder: string, mode: 'ro' | 'rw'): Promise<void> {
  await run('mount', ['-o', `remount,${mode}`, folder])
}
