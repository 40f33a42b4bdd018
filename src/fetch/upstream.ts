import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import { manifestsFolder } from '../tree/layout.ts'
import { acquireNamedLock } from '../tree/lock.ts'
import { readOrigin, writeOrigin } from '../tree/origin.ts'

/**
 * Refuses to mix two upstreams in one repository of a tree unless that was asked for; returns the one to remember. What is remembered of a repository
 * that holds nothing (the files are the whole truth, and whoever wrote it may have been killed before the first of them) does not count.
 * @throws RegistrishError `conflict`.
 */
export async function checkUpstream(
  root: string,
  repository: string,
  { upstream, allowed }: { readonly upstream: string; readonly allowed: boolean },
): Promise<string> {
  const known = (await readOrigin(root, repository)).upstream
  if (known === undefined || known === upstream) return upstream
  if (!(await holdsManifests(root, repository))) return upstream
  if (allowed) return known
  throw new RegistrishError('conflict', `${repository} in this tree was fetched from ${known}, not from ${upstream}`, {
    side: 'target',
    hint: `give it another name with --as NAME, or mix the two with --as ${repository} or --force`,
  })
}

/** What to remember of a repository. */
interface Remembering {
  /** Where it came from; the first one stays. */
  readonly upstream: string
  /** Digests that were fetched without a tag, so that prune keeps them. */
  readonly pins: readonly Digest[]
}

/** Remembers where a repository came from, and what was fetched into it by digest alone. Two processes at once never lose each other's. */
export async function rememberOrigin(root: string, repository: string, { upstream, pins }: Remembering): Promise<void> {
  const lock = await acquireNamedLock(root, `origin ${repository}`)
  try {
    const known = await readOrigin(root, repository)
    await writeOrigin(root, repository, { upstream: known.upstream ?? upstream, pins: [...known.pins, ...pins] })
  } finally {
    await lock.release()
  }
}

/** Remembers where a repository comes from that holds nothing yet, instead of what was remembered of one before it. */
export async function rememberFirst(root: string, repository: string, upstream: string): Promise<void> {
  if (await holdsManifests(root, repository)) await rememberOrigin(root, repository, { upstream, pins: [] })
  else await writeOrigin(root, repository, { upstream, pins: [] })
}

/** Whether anything is in a repository that a client could ask for. */
export async function holdsManifests(root: string, repository: string): Promise<boolean> {
  const folder = join(root, manifestsFolder(repository))
  try {
    const entries = await opendir(folder)
    try {
      return (await entries.read()) !== null
    } finally {
      await entries.close()
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false
    throw fileError(error, 'list', folder)
  }
}
