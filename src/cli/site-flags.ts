import { RegistrishError } from '../errors.ts'
import type { Arguments } from './command.ts'
import type { SiteTarget } from './targets/target.ts'

/** Flags about a store of objects. */
const STORE_FLAGS = {
  grace: 'a site is replaced at one moment, and running pulls are the host’s affair',
  force: '--prune alone lets a site lose what it has',
  'check-headers': 'the headers of a site are all published with it',
  'detailed-exitcode': 'what a site holds cannot be compared with the tree as a whole',
} as const

/** Refuses flags that mean nothing where a site is published as a whole. @throws RegistrishError `usage`. */
export function refuseStoreFlags(args: Arguments, { host }: SiteTarget): void {
  for (const [name, why] of Object.entries(STORE_FLAGS)) {
    if (args[name] === undefined || args[name] === false) continue
    throw new RegistrishError('usage', `--${name} means nothing for --${host}: ${why}`, { hint: 'leave it out' })
  }
}
