import type { Arguments, Command, RunContext } from '../command.ts'
import { loadDeployEngine } from '../deploy-engine.ts'
import { PLAN_FLAGS } from '../deploy-flags.ts'
import { runPlan } from '../deploy-plan.ts'
import { runSite } from '../site-run.ts'
import { targetOf } from '../targets/targets.ts'

/** `registrish plan`. */
export const plan: Command = {
  name: 'plan',
  summary: 'Say what deploy would do',
  details: [
    'Compare the registry of files with a store and say what deploy would send, copy and delete: + a new tag, ~ one that moves, - one that is deleted. Nothing is changed, anywhere. With --output json every object is named.',
    'Of a site that is published as a whole it says how many files and bytes that would be, and which repositories and tags users would no longer find.',
    'With --detailed-exitcode it exits with 2 where there are differences, so that a job can wait for somebody to look at them. What must not be deployed (an image that lacks a layer, more than half of the store deleted) is said with its reason, and exits with 1.',
  ],
  positionals: [],
  flags: PLAN_FLAGS,
  examples: [
    { line: 'registrish plan --s3 my-registry', text: 'what would be sent' },
    { line: 'registrish plan --s3 my-registry --prune --detailed-exitcode', text: 'in a job: 2 means differences' },
  ],
  run: async (args: Arguments, context: RunContext) => {
    const target = targetOf(args)
    if (target.kind === 'site') return runSite(target, { args, context, isPlan: true })
    return runPlan(args, context, await loadDeployEngine())
  },
}
