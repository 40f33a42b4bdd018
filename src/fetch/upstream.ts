import { RegistrishError } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import { acquireNamedLock } from '../tree/lock.ts'
import { readOrigin, writeOrigin } from '../tree/origin.ts'
import type { ReadonlyTree } from '../tree/tree.ts'

/**
 * Refuses to mix two upstreams in one repository of a tree unless that was asked for; returns the one to remember. What is remembered of a repository
 * that is no longer there (the files are the whole truth) does not count.
 * @throws RegistrishError `conflict`.
 */
export async function checkUpstream(
  tree: ReadonlyTree,
  repository: string,
  { upstream, allowed }: { readonly upstream: string; readonly allowed: boolean },
): Promise<string> {
  const known = (await readOrigin(tree.root, repository)).upstream
  if (known === undefined || known === upstream) return upstream
  if (!(await tree.repositories()).includes(repository)) return upstream
  if (allowed) return known
  throw new RegistrishError('conflict', `${repository} in this tree was fetched from ${known}, not from ${upstream}`, {
    side: 'target',
    hint: `give it another name with --as NAME, or mix the two with --as ${repository} or --force`,
  })
}

/** Remembers where a repository came from, and the digests that were fetched without a tag, so that prune keeps them. Two processes at once never lose each other's. */
export async function rememberOrigin(
  root: string,
  repository: string,
  { upstream, pins }: { readonly upstream: string; readonly pins: readonly Digest[] },
): Promise<void> {
  const lock = await acquireNamedLock(root, `origin ${repository}`)
  try {
    const known = await readOrigin(root, repository)
    await writeOrigin(root, repository, { upstream, pins: [...known.pins, ...pins] })
  } finally {
    await lock.release()
  }
}
