import type { Rule } from './fix-rules.ts'
import { FIXES } from './fix-table.ts'
import type { CheckName } from './report.ts'

/** Hosts for which `registrish emit` writes the rules. */
const EMITTED: Readonly<Record<string, string>> = {
  nginx: 'nginx',
  apache: 'apache',
  caddy: 'caddy',
  lighttpd: 'lighttpd',
}

/** Hosts that are published as a whole. */
const DEPLOYED: Readonly<Record<string, string>> = {
  netlify: 'registrish deploy --netlify SITE',
  vercel: 'registrish deploy --vercel PROJECT',
  firebase: 'registrish deploy --firebase PROJECT',
  cloudflare:
    'registrish deploy --cloudflare-pages PROJECT (or emit --host cloudflare-workers, with the content in R2)',
}

/** What stands in a rule for PATH, TYPE and DIGEST. */
export interface RuleValues {
  readonly path?: string | undefined
  readonly type?: string | undefined
  readonly digest?: string | undefined
}

/** What to change where a check found trouble, on the host that was recognised or in general. A rule of several lines begins on a line of its own. */
export function fixOf(check: CheckName, host: string | undefined, values: RuleValues = {}): string {
  const { always, on = {}, emitted } = FIXES[check]
  const words = (host === undefined ? undefined : on[host]) ?? always
  const ours = host === undefined || !emitted ? undefined : commandOf(host)
  const done = ours === undefined ? '' : ` (${ours})`
  if (typeof words === 'string') return `${words}${done}`
  const rule = fillIn(words, values)
  return `${words.text.replace('PATH', () => pathOf(values))}${done}:${rule.includes('\n') ? '\n' : ' '}${rule}`
}

/** @internal A rule with what a check found in it. Only what follows its grammar gets into a rule that somebody may paste. */
export function fillIn({ rule, writePath = path => path }: Rule, values: RuleValues): string {
  const { type, digest } = values
  const path = pathOf(values)
  const found: Readonly<Record<string, string>> = {
    PATH: path === 'PATH' ? path : writePath(path),
    TYPE: isPlain(type) ? type : 'TYPE',
    DIGEST: isPlain(digest) ? digest : 'DIGEST',
  }
  // At one go: a tag may be called TYPE.
  return rule.replace(/\b(?:PATH|TYPE|DIGEST)\b/g, name => found[name] ?? name)
}

function pathOf({ path }: RuleValues): string {
  return isPlain(path) ? path : 'PATH'
}

function isPlain(text: string | undefined): text is string {
  return text !== undefined && /^[\w./:+-]+$/.test(text)
}

/** What does it all on a host, if something does. */
function commandOf(host: string): string | undefined {
  const emitter = EMITTED[host]
  if (emitter !== undefined) return `registrish emit --host ${emitter} writes that rule`
  const deploy = DEPLOYED[host]
  return deploy === undefined ? undefined : `done by ${deploy}`
}
