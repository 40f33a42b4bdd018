import type { proveImages } from '../deploy/proof.ts'
import type { DeployOptions, DeployPlan, DeployReport } from '../deploy/report.ts'
import type { S3Target } from '../deploy/s3/target.ts'
import type { ObjectStore } from '../deploy/store.ts'
import type { OnProgress } from '../progress.ts'
import type { ReadonlyTree } from '../tree/tree.ts'

/** How a store is spoken to. */
interface StoreOptions {
  readonly onProgress: OnProgress
  readonly jobs: number
  readonly caFile?: string
}

/** What `plan` and `deploy` work with; tests bring their own. */
export interface DeployEngine {
  readonly openTree: (root: string) => ReadonlyTree
  readonly openStore: (target: S3Target, options: StoreOptions) => Promise<ObjectStore>
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
  const [{ openTree }, { planDeploy, deployTree }, { proveImages }, { openS3Store }] = await Promise.all([
    import('../tree/disk-tree.ts'),
    import('../deploy/deploy.ts'),
    import('../deploy/proof.ts'),
    import('../deploy/s3/store.ts'),
  ])
  const openStore: DeployEngine['openStore'] = async ({ bucket, endpoint, region, pathStyle, acl }, options) =>
    openS3Store({
      bucket,
      pathStyle,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(acl === undefined ? {} : { acl }),
      ...options,
    })
  return { openTree, openStore, planDeploy, deployTree, proveImages }
}
