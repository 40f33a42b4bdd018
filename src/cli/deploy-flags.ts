import type { DeployOptions } from '../deploy/report.ts'
import { RegistrishError } from '../errors.ts'
import { isOn, textOf, wholeNumberOf } from './arguments.ts'
import { type Arguments, type Flag, ROOT_FLAG, type RunContext } from './command.ts'
import { durationOf } from './duration.ts'
import { TARGET_FLAGS } from './targets/targets.ts'

/** How long what nothing refers to is kept, where --grace does not say; as DeployOptions has it. In ms. */
const GRACE = 24 * 3_600_000

/** The flags of `plan`; `deploy` has more. */
export const PLAN_FLAGS: readonly Flag[] = [
  ROOT_FLAG,
  ...TARGET_FLAGS,
  {
    name: 'prune',
    type: 'boolean',
    describe: 'delete from the store what the tree does not hold; default: what others put there stays',
  },
  {
    name: 'grace',
    type: 'string',
    value: 'DURATION',
    describe:
      'with --prune: how long the parts of a deleted image stay, for pulls that run: 30m, 24h, 2d; default: 24h',
  },
  { name: 'force', type: 'boolean', describe: 'with --prune: also where more than half of the store would go' },
  {
    name: 'check-headers',
    type: 'boolean',
    describe: 'look at the headers of manifests that are there already, one request each, and mend wrong ones',
  },
  {
    name: 'detailed-exitcode',
    type: 'boolean',
    describe: 'exit with 2 where there are differences, 0 where there are none',
  },
  { name: 'jobs', alias: 'j', type: 'number', value: 'N', default: 16, describe: 'requests at once' },
  { name: 'ca-file', type: 'string', value: 'FILE', describe: 'more certificate authorities, PEM' },
]

/** What `plan` and `deploy` ask of the engine, and the grace in words. @throws RegistrishError `usage`. */
export function deployOptionsOf(
  args: Arguments,
  { signal, onProgress }: Pick<RunContext, 'signal' | 'onProgress'>,
): DeployOptions & { readonly grace: number; readonly jobs: number } {
  const prune = isOn(args, 'prune')
  for (const flag of ['grace', 'force']) {
    if (prune || args[flag] === undefined || args[flag] === false) continue
    throw new RegistrishError('usage', `--${flag} is about what --prune deletes`, {
      hint: 'add --prune, or leave it out',
    })
  }
  return {
    prune,
    grace: durationOf(args, 'grace') ?? GRACE,
    force: isOn(args, 'force'),
    checkHeaders: isOn(args, 'check-headers'),
    jobs: wholeNumberOf(args, 'jobs', 1) ?? 16,
    signal,
    onProgress,
  }
}

/** --detailed-exitcode, which only a plan has. @throws RegistrishError `usage`. */
export function isDetailed(args: Arguments, { isPlan }: { readonly isPlan: boolean }): boolean {
  const isGiven = isOn(args, 'detailed-exitcode')
  if (!isGiven || isPlan) return isGiven
  throw new RegistrishError('usage', '--detailed-exitcode is about what would be done', {
    hint: 'add --dry-run, or use registrish plan',
  })
}

/** --ca-file, for whoever is connected to. */
export function caFileOf(args: Arguments): { readonly caFile?: string } {
  const caFile = textOf(args, 'ca-file')
  return caFile === undefined ? {} : { caFile }
}
