import type { proveImages } from '../deploy/proof.ts'
import type { checkTree } from '../deploy/site/check-tree.ts'
import type { readLive } from '../deploy/site/live.ts'
import type { programOf } from '../deploy/site/programs.ts'
import type { findPublisher, publishSite } from '../deploy/site/publish.ts'
import type { emitHosts } from '../emit/apply.ts'
import type { measureSite } from '../emit/measure-site.ts'
import type { openTree } from '../tree/disk-tree.ts'
import type { acquireNamedLock } from '../tree/lock.ts'

/** What `plan` and `deploy` of a whole site work with. */
export interface SiteEngine {
  readonly openTree: typeof openTree
  readonly acquireNamedLock: typeof acquireNamedLock
  readonly emitHosts: typeof emitHosts
  readonly measureSite: typeof measureSite
  readonly checkTree: typeof checkTree
  readonly programOf: typeof programOf
  readonly findPublisher: typeof findPublisher
  readonly publishSite: typeof publishSite
  readonly readLive: typeof readLive
  readonly proveImages: typeof proveImages
}

/** Loads it. */
export async function loadSiteEngine(): Promise<SiteEngine> {
  const [tree, lock, apply, measure, check, programs, publish, live, proof] = await Promise.all([
    import('../tree/disk-tree.ts'),
    import('../tree/lock.ts'),
    import('../emit/apply.ts'),
    import('../emit/measure-site.ts'),
    import('../deploy/site/check-tree.ts'),
    import('../deploy/site/programs.ts'),
    import('../deploy/site/publish.ts'),
    import('../deploy/site/live.ts'),
    import('../deploy/proof.ts'),
  ])
  return {
    openTree: tree.openTree,
    acquireNamedLock: lock.acquireNamedLock,
    emitHosts: apply.emitHosts,
    measureSite: measure.measureSite,
    checkTree: check.checkTree,
    programOf: programs.programOf,
    findPublisher: publish.findPublisher,
    publishSite: publish.publishSite,
    readLive: live.readLive,
    proveImages: proof.proveImages,
  }
}
