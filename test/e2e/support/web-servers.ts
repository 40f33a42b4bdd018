import { startApache } from './apache.ts'
import { startCaddy } from './caddy.ts'
import { startLighttpd } from './lighttpd.ts'
import { startNginx } from './nginx.ts'
import { type Hosted, startServe } from './registrish.ts'
import type { Need } from './suites.ts'

/** What serves a tree in the end-to-end tests, as `registrish emit` set it up with its defaults. */
export interface WebServer {
  readonly name: string
  readonly needs: readonly Need[]
  readonly start: (root: string) => Promise<Hosted>
}

/** Every server that answers alike. */
export const WEB_SERVERS: readonly WebServer[] = [
  { name: 'nginx', needs: ['nginx'], start: startNginx },
  { name: 'caddy', needs: ['caddy'], start: startCaddy },
  { name: 'apache', needs: ['apache2'], start: startApache },
  { name: 'lighttpd', needs: ['lighttpd'], start: startLighttpd },
  { name: 'registrish serve', needs: [], start: startServe },
]
