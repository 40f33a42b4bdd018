import { isOn } from '../arguments.ts'
import type { Arguments, Command, RunContext } from '../command.ts'
import { loadDeployEngine } from '../deploy-engine.ts'
import { PLAN_FLAGS } from '../deploy-flags.ts'
import { runPlan } from '../deploy-plan.ts'
import { publicHostOf, runDeploy } from '../deploy-run.ts'
import { runSite } from '../site-run.ts'
import { targetOf } from '../targets/targets.ts'

/** `registrish deploy`. */
export const deploy: Command = {
  name: 'deploy',
  summary: 'Take the registry of files to where users pull from',
  details: [
    "Send what a store lacks of the registry of files below --root: layers first, tags last, so that nobody ever sees half an image. What others have put there stays, and lists become those of all: a job that holds one image adds it to a thousand. It may be interrupted and run again, and several may run at once. Credentials are found as AWS' own tools find them.",
    'With --url, the host that users pull from, each changed image is then fetched back from there, without credentials unless the host asks for some: where a client could not pull it the exit code is 1. At the end stand the lines to pull the changed images by and, where a CDN may stand in between, the URLs to purge there.',
    "Netlify, Cloudflare Pages, Firebase Hosting and Vercel take a whole site at once: its files are made as by registrish emit --host, and the service's own program (netlify, wrangler, firebase, vercel), which is to be installed and logged in, publishes them. What is there is replaced: where users see repositories or tags that the tree lacks the deploy is refused, or with --prune lets them go.",
    'With --prune what the tree does not hold is deleted, tags at once, their parts by a later run after --grace. registrish setup says what a new bucket needs.',
  ],
  positionals: [],
  flags: [
    ...PLAN_FLAGS,
    { name: 'dry-run', type: 'boolean', describe: 'say what would be done, change nothing, as registrish plan' },
    {
      name: 'url',
      type: 'string',
      value: 'HOST',
      describe: 'where users pull from, host[:port] or a URL: fetch changed images back from there',
    },
    {
      name: 'authfile',
      type: 'string',
      value: 'FILE',
      describe: 'credentials file, should that host ask for any; by default those of docker and podman',
    },
    { name: 'plain-http', type: 'boolean', describe: 'speak plain HTTP to that host though it is not on this machine' },
  ],
  examples: [
    {
      line: 'registrish deploy --s3 my-registry --url registry.example.com',
      text: 'send, and prove that it can be pulled',
    },
    { line: 'registrish deploy --s3 my-registry --s3-endpoint https://s3.fr-par.scw.cloud', text: 'to another store' },
    { line: 'registrish deploy --netlify my-site', text: 'publish a site of Netlify' },
    { line: 'registrish deploy --s3 my-registry --prune --dry-run', text: 'what would be deleted' },
  ],
  run: async (args: Arguments, context: RunContext) => {
    publicHostOf(args)
    const target = targetOf(args)
    if (target.kind === 'site') return runSite(target, { args, context, isPlan: isOn(args, 'dry-run') })
    const engine = await loadDeployEngine()
    return isOn(args, 'dry-run') ? runPlan(args, context, engine) : runDeploy(args, context, engine)
  },
}
