import type { SetupResult } from '../../deploy/s3/setup.ts'
import { PROVIDERS, planSetup, providerOf, type SetupPlan } from '../../deploy/s3/setup-plan.ts'
import type { Provider } from '../../deploy/s3/setup-provider.ts'
import type { S3Target } from '../../deploy/s3/target.ts'
import { RegistrishError } from '../../errors.ts'
import { isOn, textOf } from '../arguments.ts'
import { runAzureSetup } from '../azure-setup.ts'
import type { Arguments, Command, RunContext } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { formatSteps } from '../format-steps.ts'
import { printDocument } from '../print-document.ts'
import { AZURE_FLAGS } from '../targets/azure.ts'
import { gcs, gcsAsS3 } from '../targets/gcs.ts'
import { bucketOf, S3_FLAGS } from '../targets/s3.ts'

/** `registrish setup`. */
export const setup: Command = {
  name: 'setup',
  summary: 'Say, or do, what a new bucket needs to be a registry',
  details: [
    'Say what a bucket of S3, or of a store like it, needs so that anyone can pull from it: a policy that lets anyone read v2/ and nothing else, pages for what is missing, rules for browsers, an end for uploads that were cut off. What is printed is a script for a shell.',
    "With --apply it is done, with credentials as AWS' own tools take them. A policy or rules that are there already are kept, and ours joined to them; what cannot be joined is left as it is and told. Doing it twice changes nothing.",
    'With --azure: the same for the static website of a storage account of Azure, as commands of az; with --apply the website is switched on and its container made.',
  ],
  positionals: [],
  flags: [
    ...S3_FLAGS,
    gcs.flags[0],
    ...AZURE_FLAGS,
    {
      name: 'provider',
      type: 'string',
      value: 'NAME',
      choices: PROVIDERS.map(({ name }) => name),
      describe: 'whose store it is; default: as the endpoint says, aws without one, other for any that is not known',
    },
    { name: 'apply', type: 'boolean', describe: 'do it' },
    {
      name: 'unlisted',
      type: 'boolean',
      describe: 'let nobody list the bucket; what is missing is then 403, which some clients take for an error',
    },
  ],
  examples: [
    { line: 'registrish setup --s3 my-registry --s3-region eu-west-1', text: 'a bucket of S3 itself' },
    {
      line: 'registrish setup --s3 my-registry --provider cloudfront',
      text: 'a private one with CloudFront before it',
    },
    { line: 'registrish setup --s3 my-registry --s3-endpoint https://s3.fr-par.scw.cloud', text: 'another store' },
    { line: 'registrish setup --gcs my-registry', text: 'a bucket of Google Cloud Storage' },
    { line: 'registrish setup --azure myregistry', text: 'the website of a storage account' },
  ],
  run: runSetup,
}

async function runSetup(args: Arguments, context: RunContext): Promise<number> {
  const isAzure = AZURE_FLAGS.some(({ name }) => args[name] !== undefined)
  if (isAzure) return runAzureSetup(args, context)
  const target = bucketOf(gcsAsS3(args))
  const unlisted = isOn(args, 'unlisted')
  const provider = providerOf(target, textOf(args, 'provider'))
  if (unlisted && !provider.parts.includes('policy')) {
    throw new RegistrishError('usage', `${provider.title} has no --unlisted: access is not by a policy of the bucket`, {
      hint: 'leave --unlisted away',
    })
  }
  const plan = planSetup(target, provider, { unlisted })
  if (isOn(args, 'apply')) return apply({ target, provider, plan, unlisted }, context)
  if (context.output === 'text') for (const line of formatPlan(plan)) context.print(line)
  else printDocument(plan, context)
  return EXIT.done
}

interface Application {
  readonly target: S3Target
  readonly provider: Provider
  readonly plan: SetupPlan
  readonly unlisted: boolean
}

async function apply({ target, provider, plan, unlisted }: Application, context: RunContext): Promise<number> {
  if (provider.name === 'cloudfront' || provider.steps !== undefined) {
    throw new RegistrishError('usage', `what ${provider.title} needs is not done through S3's API, so not by --apply`, {
      hint: 'run it without --apply, and what it prints',
    })
  }
  const [{ applySetup }, { openBucketAdmin }] = await Promise.all([
    import('../../deploy/s3/setup.ts'),
    import('../../deploy/s3/setup-admin.ts'),
  ])
  const { signal, output, print, say, complain } = context
  for (const note of target.notes) say(note)
  const admin = await openBucketAdmin(target, { signal, onProgress: context.onProgress })
  const results: SetupResult[] = []
  try {
    const { bucket } = target
    for await (const result of applySetup(admin, { bucket, unlisted, parts: provider.parts, signal })) {
      results.push(result)
      if (output === 'text') print(`${result.part}: ${result.text}`)
      if (result.hint !== undefined) complain(`${result.part}: ${result.hint}`)
      for (const note of result.notes ?? []) say(`${result.part}: ${note}`)
    }
  } finally {
    await admin.close()
  }
  const { deploy, host } = plan
  if (output !== 'text')
    printDocument({ provider: provider.name, bucket: target.bucket, results, deploy, host }, context)
  say(`now: ${deploy}`)
  return results.some(({ outcome }) => outcome === 'refused') ? EXIT.partly : EXIT.done
}

/** A script for a shell: all that is not a command is a comment. */
function* formatPlan({ title, documentation, proven, steps, deploy, host, notes }: SetupPlan): Generator<string> {
  yield `# ${title}, for a new bucket. ${PROVEN[proven]}`
  yield `# ${documentation}`
  if (steps.some(({ document }) => document !== undefined))
    yield '# Each command replaces what the bucket was told before; registrish setup --apply keeps it.'
  yield* formatSteps(steps, deploy, host)
  if (notes.length > 0) yield '# To be known:'
  for (const { text, unverified } of notes) yield `# - ${text}${unverified === true ? ' (unverified)' : ''}`
}

const PROVEN: Readonly<Record<SetupPlan['proven'], string>> = {
  run: 'Tests do this with a real server.',
  documented: 'As its documentation says; not run by our tests.',
}
