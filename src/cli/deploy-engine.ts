import type { proveImages } from '../deploy/proof.ts'
import type { DeployOptions, DeployPlan, DeployReport } from '../deploy/report.ts'
import type { ObjectStore } from '../deploy/store.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import type { StoreOptions, StoreTarget } from './targets/target.ts'

/** What `plan` and `deploy` work with; tests bring their own. */
export interface DeployEngine {
  readonly openTree: (root: string) => ReadonlyTree
  readonly openStore: (target: StoreTarget, options: StoreOptions) => Promise<ObjectStore>
  readonly planDeploy: (tree: ReadonlyTree, store: ObjectStore, options: DeployOptions) => Promise<DeployPlan>
  readonly deployTree: (
    tree: ReadonlyTree,
    store: ObjectStore,
    options: DeployOptions & { readonly onPlan?: (plan: DeployPlan) => void },
  ) => Promise<DeployReport>
  readonly proveImages: typeof proveImages
}

/** Loads the real one. */
export async function loadDeployEngine(): Promise<DeployEngine> {
  const [{ openTree }, { planDeploy, deployTree }, { proveImages }] = await Promise.all([
    import('../tree/disk-tree.ts'),
    import('../deploy/deploy.ts'),
    import('../deploy/proof.ts'),
  ])
  return { openTree, openStore: async (target, options) => target.open(options), planDeploy, deployTree, proveImages }
}
