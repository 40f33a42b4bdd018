import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import { apache } from './apache.ts'
import { caddy } from './caddy.ts'
import { cloudflarePages } from './cloudflare-pages.ts'
import { cloudflareWorkers } from './cloudflare-workers.ts'
import type { Emitter } from './emitter.ts'
import { firebase } from './firebase.ts'
import { htaccess } from './htaccess.ts'
import { lighttpd } from './lighttpd.ts'
import { netlify } from './netlify.ts'
import { nginx } from './nginx.ts'
import { vercel } from './vercel.ts'

/** Every host that can be emitted for: a new one is one more line. */
export const EMITTERS: readonly Emitter[] = [
  nginx,
  apache,
  caddy,
  lighttpd,
  netlify,
  htaccess,
  firebase,
  vercel,
  cloudflarePages,
  cloudflareWorkers,
]

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
