import { type AzureSetupPlan, applyAzureSetup, planAzureSetup } from '../deploy/azure/setup.ts'
import { WEB_CONTAINER } from '../deploy/azure/target.ts'
import { RegistrishError } from '../errors.ts'
import { isOn } from './arguments.ts'
import type { Arguments, RunContext } from './command.ts'
import { EXIT } from './exit-code.ts'
import { formatSteps } from './format-steps.ts'
import { printDocument } from './print-document.ts'
import { containerOf } from './targets/azure.ts'

/** Runs `setup --azure`. */
export async function runAzureSetup(args: Arguments, context: RunContext): Promise<number> {
  const foreign = ['s3', 's3-endpoint', 's3-region', 's3-path-style', 's3-acl', 'gcs', 'provider', 'unlisted'].find(
    name => args[name] !== undefined && args[name] !== false,
  )
  if (foreign !== undefined)
    throw new RegistrishError('usage', `--${foreign} is not about --azure`, { hint: 'leave it out' })
  const target = containerOf(args)
  if (target.container !== WEB_CONTAINER)
    throw new RegistrishError('usage', `the website of ${target.account} serves ${WEB_CONTAINER} only`, {
      hint: 'leave --azure-container out',
    })
  const plan = planAzureSetup(target)
  if (!isOn(args, 'apply')) {
    if (context.output === 'text') for (const line of formatPlan(plan)) context.print(line)
    else printDocument(plan, context)
    return EXIT.done
  }
  const { signal, onProgress, output, print, complain, say } = context
  const { openAzureCalls } = await import('../deploy/azure/store.ts')
  const { notes, ...place } = target
  const calls = await openAzureCalls({ ...place, onProgress })
  try {
    const results = await applyAzureSetup(calls, { signal })
    for (const { part, text, hint } of results) {
      if (output === 'text') print(`${part}: ${text}`)
      if (hint !== undefined) complain(`${part}: ${hint}`)
    }
    if (output !== 'text') printDocument({ account: plan.account, results, deploy: plan.deploy }, context)
    say(`now: ${plan.deploy}`)
    return results.some(({ outcome }) => outcome === 'refused') ? EXIT.partly : EXIT.done
  } finally {
    await calls.transport.close()
  }
}

/** A script for a shell: all that is not a command is a comment. */
function* formatPlan({ account, steps, deploy }: AzureSetupPlan): Generator<string> {
  yield `# Azure, for a new storage account ${account}. As its documentation says; not run by our tests but for the website with --apply, on azurite.`
  yield '# https://learn.microsoft.com/azure/storage/blobs/storage-blob-static-website'
  yield* formatSteps(steps, deploy, 'HOST')
}
