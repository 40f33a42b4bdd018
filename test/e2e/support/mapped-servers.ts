import { startNginx } from './nginx.ts'
import type { WebServer } from './web-servers.ts'

/** Servers in the form that has a list of the tags beside its configuration, and is told each time when it changed. */
export const MAPPED_SERVERS: readonly WebServer[] = [
  { name: 'nginx with a map', needs: ['nginx'], start: root => startNginx(root, 'map') },
]
