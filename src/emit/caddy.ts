import { formatRegistry, formatSite } from './caddy-config.ts'
import { caddyFarm } from './caddy-farm.ts'
import { checkRoutes } from './check-routes.ts'
import type { EmitOptions, Emitter } from './emitter.ts'
import { optionOf, PORT, WEB_ROOT, webRootOf } from './options.ts'
import { shellQuote } from './shell-quote.ts'

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
  setup: options =>
    `run it (${command('run', options)}), or import ${webRootOf(options)}/caddy/Caddyfile in a Caddyfile of yours`,
  reload: (options, changed) =>
    changed.some(path => path !== caddyFarm.folder) ? command('reload', options) : undefined,
  farm: caddyFarm,
  check: table => checkRoutes(table),
  async *emit({ families }, options) {
    const registry = formatRegistry(families, optionOf(options, WEB_ROOT))
    yield { path: 'caddy/snippets/registry.caddy', chunks: [REGISTRY_HEAD, registry] }
    yield { path: caddy.marker, chunks: [SITE_HEAD, formatSite(optionOf(options, PORT))] }
  },
}

function command(verb: 'run' | 'reload', options: EmitOptions): string {
  return `caddy ${verb} --config ${shellQuote(`${webRootOf(options)}/caddy/Caddyfile`)} --adapter caddyfile`
}

const AGAIN = 'The command above writes this file again: what you change here is lost.'
const SITE_HEAD = `# The registry as a site, to run or to import into your own Caddyfile. ${AGAIN}\n\n`
const REGISTRY_HEAD = `# The registry, to import into a site of your own, but not into one with "templates" for more than files of yours. ${AGAIN}\n\n`
