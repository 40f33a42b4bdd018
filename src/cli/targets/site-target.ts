import { quoteUrl } from '../../deploy/quote-url.ts'
import { RegistrishError } from '../../errors.ts'
import type { SiteTarget } from './target.ts'

/** How the sites of a host are named. */
export interface SiteNames {
  /** What a program could take for a flag is no name. */
  readonly pattern: RegExp
  /** In words, for messages. */
  readonly grammar: string
}

/** Names that are the first part of the host that the site is seen at. */
export const LABELS: SiteNames = {
  pattern: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
  grammar: 'lower-case letters, digits, and hyphens between them',
}

/** The site that a flag of its host's name names; an empty value is the one that the host's program was linked with. @throws RegistrishError `usage`. */
export function siteTarget(host: string, value: string, { pattern, grammar }: SiteNames): SiteTarget {
  if (value === '') return { kind: 'site', flags: `--${host}`, notes: [], host }
  if (pattern.test(value)) return { kind: 'site', flags: `--${host} ${value}`, notes: [], host, site: value }
  const [, first = ''] = /^(?:https?:\/\/)?([^./]+)\./.exec(value) ?? []
  throw new RegistrishError('usage', `${quoteUrl(value)} is no name of a site`, {
    hint: `give the name alone (${grammar}), as in --${host} ${pattern.test(first) ? first : 'my-registry'}; where users pull from is for --url to say`,
  })
}
