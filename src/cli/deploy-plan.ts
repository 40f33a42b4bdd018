import type { DeployPlan } from '../deploy/report.ts'
import type { Arguments, RunContext } from './command.ts'
import type { DeployEngine } from './deploy-engine.ts'
import { caFileOf, deployOptionsOf, isDetailed } from './deploy-flags.ts'
import { EXIT } from './exit-code.ts'
import { formatDocument, formatPlan, formatProblems, hasDifferences, isRefused } from './format-plan.ts'
import { rootOf } from './root.ts'
import { storeOf } from './targets/targets.ts'

/** Says what a deploy would do, and does nothing: `plan`, and `deploy --dry-run`. */
export async function runPlan(args: Arguments, context: RunContext, engine: DeployEngine): Promise<number> {
  const target = storeOf(args)
  const options = deployOptionsOf(args, context)
  const detailed = isDetailed(args, { isPlan: true })
  const tree = engine.openTree(rootOf(args, { mustExist: true }))
  const store = await engine.openStore(target, {
    onProgress: context.onProgress,
    jobs: options.jobs,
    ...caFileOf(args),
  })
  try {
    const plan = await engine.planDeploy(tree, store, options)
    printPlan(plan, context, options)
    if (isRefused(plan)) return EXIT.failed
    return detailed && hasDifferences(plan) ? EXIT.problems : EXIT.done
  } finally {
    await store.close()
  }
}

function printPlan(
  plan: DeployPlan,
  { output, print, complain }: RunContext,
  { grace }: { readonly grace: number },
): void {
  const { tags, objects, ...rest } = plan
  const lines =
    output === 'text'
      ? formatPlan(plan, { grace })
      : formatDocument({ tags, objects, rest: { ...rest, differences: hasDifferences(plan) } }, output)
  for (const line of lines) print(line)
  for (const line of formatProblems(plan)) complain(line)
}
