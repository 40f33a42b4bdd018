import type { Digest } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import { acquireNamedLock, type Lock } from '../tree/lock.ts'
import { readOrigin } from '../tree/origin.ts'
import type { Tree } from '../tree/tree.ts'
import { checkUpstream, holdsManifests, rememberFirst, rememberOrigin } from './upstream.ts'

/*
 * Two fetches from two upstreams that begin at once find a new repository free, both of them. So the one that has its image first claims the repository
 * before anything of it becomes visible: what is remembered of it is written, and a lock is held until the first manifest stands there, since before that
 * a record counts for nothing. Whoever comes second finds both. Nothing is remembered of images that were not found, and the dead claim nothing.
 */

/** What a fetch claims repositories for. */
export interface Claiming extends CallOptions {
  /** Where each repository of the tree comes from. */
  readonly upstreams: ReadonlyMap<string, string>
  /** Whether two upstreams may mix. */
  readonly allowed: boolean
  /** Digests that are asked for without a tag, by repository of the tree. */
  readonly pins: ReadonlyMap<string, ReadonlySet<Digest>>
  /** Awaited before the first manifest or tag of a repository changes. */
  readonly note: (repositories: readonly string[]) => Promise<void>
  /** Told once where another process is just claiming it. */
  readonly onWait?: (owner: string) => void
}

/** A tree whose repositories are claimed when the first thing in them becomes visible. */
export interface ClaimingTree {
  /** Throws `conflict` where another upstream has claimed the repository meanwhile. */
  readonly tree: Tree
  /** Gives up claims of which nothing has become visible. */
  release(): Promise<void>
}

/** Makes a {@link ClaimingTree} of a tree. */
export function claimRepositories(tree: Tree, claiming: Claiming): ClaimingTree {
  const { root } = tree
  const claims = new Map<string, Claim>()

  const giveUp = async (repository: string): Promise<void> => {
    const claim = claims.get(repository)
    claims.delete(repository)
    const lock = await claim?.lock.catch(() => undefined)
    await lock?.release()
  }

  /** A claim under which something failed is given up, but not while others are at work under it. */
  const claimed = async <T>(repository: string, work: () => Promise<T>, hasFailed = (_: T) => false): Promise<T> => {
    const claim = claims.get(repository) ?? { lock: claimRepository(root, repository, claiming), works: 0 }
    claims.set(repository, claim)
    claim.works += 1
    let failed = true
    try {
      await claim.lock
      const result = await work()
      failed = hasFailed(result)
      return result
    } finally {
      claim.works -= 1
      if (failed && claim.works === 0) await giveUp(repository)
    }
  }

  /** Now that something is there the record counts: the lock is not needed any more. */
  const settle = async (repository: string): Promise<void> => {
    const lock = await claims.get(repository)?.lock
    await lock?.release()
  }

  return {
    tree: {
      ...tree,
      linkBlob: (repository, blob) =>
        claimed(
          repository,
          () => tree.linkBlob(repository, blob),
          linked => !linked,
        ),
      async putManifest(repository, bytes, digest) {
        const before = (): Promise<void> => claiming.note([repository])
        await claimed(repository, async () => {
          await rememberPin(root, repository, digest, claiming)
          await tree.putManifest(repository, bytes, digest, { before })
        })
        await settle(repository)
      },
      async tag(repository, tag, digest) {
        const before = (): Promise<void> => claiming.note([repository])
        const changed = await claimed(repository, () => tree.tag(repository, tag, digest, { before }))
        await settle(repository)
        return changed
      },
    },
    async release() {
      for (const repository of [...claims.keys()]) await giveUp(repository)
    },
  }
}

interface Claim {
  readonly lock: Promise<Lock | undefined>
  /** What is being done under it. */
  works: number
}

/** Undefined where it needs no lock: it is ours already, with something in it. */
async function claimRepository(
  root: string,
  repository: string,
  { upstreams, allowed, signal, onWait }: Claiming,
): Promise<Lock | undefined> {
  const upstream = upstreams.get(repository) ?? ''
  if ((await readOrigin(root, repository)).upstream === upstream && (await holdsManifests(root, repository))) return
  const lock = await acquireNamedLock(root, `claim ${repository}`, {
    purpose: 'fetch',
    ...(signal === undefined ? {} : { signal }),
    ...(onWait === undefined ? {} : { onWait }),
  })
  try {
    await rememberFirst(root, repository, await checkUpstream(root, repository, { upstream, allowed }))
    return lock
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Before the manifest is there: a kill in between must not leave one that prune would take. */
async function rememberPin(
  root: string,
  repository: string,
  digest: Digest | undefined,
  { upstreams, pins }: Claiming,
): Promise<void> {
  if (digest === undefined || pins.get(repository)?.has(digest) !== true) return
  if ((await readOrigin(root, repository)).pins.includes(digest)) return
  await rememberOrigin(root, repository, { upstream: upstreams.get(repository) ?? '', pins: [digest] })
}
