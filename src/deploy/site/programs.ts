import { RegistrishError } from '../../errors.ts'
import { isRecord } from '../../oci/descriptor.ts'
import { forgetManifests } from './firebase-cache.ts'
import type { SiteProgram } from './program.ts'

/** Of `netlify-cli`. What it publishes is hashed and only sent where it is new. */
const netlify: SiteProgram = {
  name: 'netlify',
  install: 'install it: npm install netlify-cli@26 (Node 20; later versions want Node 22)',
  login: 'to log in: netlify login, or set NETLIFY_AUTH_TOKEN; to choose the site: name it, or netlify link',
  folder: '',
  talks: false,
  runs: ({ site }) => [
    [
      'deploy',
      '--prod',
      '--no-build',
      '--dir',
      'netlify/site',
      '--json',
      ...(site === undefined ? [] : ['--site', site]),
    ],
  ],
  // A site may be named by its id, which says nothing of its address.
  hostOf: site => (site === undefined || UUID.test(site) ? undefined : `${site}.netlify.app`),
  readResult(output) {
    // What else is said stands before it.
    const answer = parseJson(/^\{.*\}$/ms.exec(output)?.[0] ?? '')
    return isRecord(answer) && typeof answer['url'] === 'string' ? { url: answer['url'] } : undefined
  },
}

/** Of `wrangler`. A name that was taken gets an ending in its address, which the program names. */
const cloudflarePages: SiteProgram = {
  name: 'wrangler',
  install: 'install it: npm install wrangler@4',
  login: 'to log in: wrangler login, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID',
  // Not in the tree's root: functions/ of the folder that it is run in are published too.
  folder: 'cloudflare-pages',
  talks: true,
  // Without a branch it publishes a preview where the folder is a checkout of another branch; main is what new projects publish from.
  runs: ({ site, branch = 'main' }) => [
    [
      ...['pages', 'deploy', 'site', ...(site === undefined ? [] : ['--project-name', site])],
      ...['--branch', branch, '--commit-dirty=true'],
    ],
  ],
  hostOf: site => (site === undefined ? undefined : `${site}.pages.dev`),
  readResult(output) {
    // Only previews have an alias, by their branch: https://BRANCH.PROJECT.pages.dev.
    const alias = /Deployment alias URL: (https:\/\/[^\s./]+\.[^\s./]+\.pages\.dev)\b/.exec(output)?.[1]
    if (alias !== undefined) throw previewError(alias)
    const host = /Take a peek over at https:\/\/[a-z0-9-]+\.([a-z0-9-]+\.pages\.dev)\b/.exec(output)?.[1]
    return host === undefined ? undefined : { url: `https://${host}` }
  },
}

/** Of `firebase-tools`. */
const firebase: SiteProgram = {
  name: 'firebase',
  install: 'install it: npm install firebase-tools',
  login: 'to log in: firebase login, or set GOOGLE_APPLICATION_CREDENTIALS',
  folder: '',
  talks: true,
  prepare: forgetManifests,
  runs: ({ site }) => [
    [
      ...['deploy', '--only', 'hosting', ...(site === undefined ? [] : ['--project', site])],
      ...['--config', 'firebase/firebase.json', '--non-interactive'],
    ],
  ],
  hostOf: site => (site === undefined ? undefined : `${site}.web.app`),
  readResult(output) {
    const url = /Hosting URL: (https:\/\/\S+)/.exec(output)?.[1]
    return url === undefined ? undefined : { url }
  },
}

/** Of `vercel`, which prints the address of one deployment only, not that of the project. */
const vercel: SiteProgram = {
  name: 'vercel',
  install: 'install it: npm install vercel',
  login: 'to log in: vercel login, or set VERCEL_TOKEN; to choose the project: name it, or vercel link in vercel/',
  folder: 'vercel',
  talks: false,
  runs: ({ site }) => [
    ...(site === undefined ? [] : [['link', '--yes', '--project', site]]),
    ['deploy', '--prebuilt', '--prod', '--archive=tgz', '--yes'],
  ],
  hostOf: () => undefined,
  readResult: output => (/https:\/\/\S/.test(output) ? {} : undefined),
}

/** The programs by the name of the host whose sites they publish, as its emitter bears it. */
const PROGRAMS: Readonly<Record<string, SiteProgram>> = {
  netlify,
  'cloudflare-pages': cloudflarePages,
  firebase,
  vercel,
}

/** The program that publishes sites of a host. */
export function programOf(host: string): SiteProgram {
  const program = Object.hasOwn(PROGRAMS, host) ? PROGRAMS[host] : undefined
  if (program === undefined) throw new TypeError(`no program publishes sites for ${host}`)
  return program
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function previewError(alias: string): RegistrishError {
  return new RegistrishError(
    'tool-failed',
    `wrangler pages deploy published a preview at ${alias}: users are served what they were before`,
    {
      hint: 'name the branch that the project takes for production, which its settings at Cloudflare show: --cloudflare-pages-branch BRANCH',
      side: 'target',
    },
  )
}

/** undefined where it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
