import { RegistrishError } from '../../errors.ts'
import { quote } from '../../oci/digest.ts'
import type { SiteTarget } from './target.ts'

/** The site that a flag of its host's name names; an empty value is the one that the host's program was linked with. @throws RegistrishError `usage`. */
export function siteTarget(host: string, value: string): SiteTarget {
  if (value === '') return { kind: 'site', flags: `--${host}`, notes: [], host }
  if (NAME.test(value)) return { kind: 'site', flags: `--${host} ${value}`, notes: [], host, site: value }
  throw new RegistrishError('usage', `${quote(value)} is no name of a site`, {
    hint: `give the name alone, as in --${host} my-registry; where users pull from is for --url to say`,
  })
}

/** Ids and names of sites and projects: what a program could take for a flag is none. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/i
