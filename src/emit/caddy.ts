import { formatRegistry, formatSite } from './caddy-config.ts'
import { caddyFarm } from './caddy-farm.ts'
import { checkRoutes } from './check-routes.ts'
import type { Emitter } from './emitter.ts'
import { optionOf, PORT, WEB_ROOT } from './options.ts'

/**
 * Caddy 2, any stock build (tested with 2.6.2 and 2.10.0): a configuration that is written once. What a file's name in v2/ cannot say, its media type and
 * digest, Caddy reads from a farm of links beside v2/; so what is fetched is served at once, without a reload.
 */
export const caddy: Emitter = {
  name: 'caddy',
  title: 'Caddy',
  documentation: 'https://caddyserver.com/docs/caddyfile',
  limits: {},
  options: [WEB_ROOT, PORT],
  marker: 'caddy/Caddyfile',
  comment: '#',
  reload: () => 'caddy reload --config /etc/caddy/Caddyfile',
  farm: caddyFarm,
  check: table => checkRoutes(table),
  async *emit({ families }, options) {
    const registry = formatRegistry(families, optionOf(options, WEB_ROOT))
    yield { path: 'caddy/snippets/registry.caddy', chunks: [REGISTRY_HEAD, registry] }
    yield { path: caddy.marker, chunks: [SITE_HEAD, formatSite(optionOf(options, PORT))] }
  },
}

const AGAIN = 'The command above writes this file again: what you change here is lost.'
const SITE_HEAD = `# The registry as a site, to run or to import into your own Caddyfile. ${AGAIN}\n\n`
const REGISTRY_HEAD = `# The registry, to import into a site of your own, but not into one with "templates" for more than files of yours. ${AGAIN}\n\n`
