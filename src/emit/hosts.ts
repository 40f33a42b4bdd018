import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import { apache } from './apache.ts'
import { caddy } from './caddy.ts'
import type { Emitter } from './emitter.ts'
import { htaccess } from './htaccess.ts'
import { netlify } from './netlify.ts'
import { nginx } from './nginx.ts'

/** Every host that can be emitted for: a new one is one more line. */
export const EMITTERS: readonly Emitter[] = [nginx, apache, caddy, netlify, htaccess]

/** The emitter of a name. @throws RegistrishError `usage`. */
export function findEmitter(name: string): Emitter {
  const emitter = EMITTERS.find(host => host.name === name)
  if (emitter !== undefined) return emitter
  throw new RegistrishError('usage', `no such host: ${quote(name)}`, { hint: `choose one of: ${hostNames()}` })
}

/** The names of all hosts, for messages. */
export function hostNames(): string {
  return EMITTERS.map(({ name }) => name).join(', ')
}
