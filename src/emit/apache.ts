import { formatServer, formatSnippet } from './apache-config.ts'
import { apacheFarm } from './apache-farm.ts'
import { checkRoutes } from './check-routes.ts'
import type { Emitter } from './emitter.ts'
import { optionOf, PORT, WEB_ROOT, webRootOf } from './options.ts'

/**
 * Apache 2.4 with mod_headers and mod_rewrite: a configuration that is written once. What a file's name in v2/ cannot say, its media type and digest, Apache reads from
 * a farm of links and small files beside v2/; so what is fetched is served at once, without a reload.
 */
export const apache: Emitter = {
  name: 'apache',
  title: 'Apache httpd',
  documentation: 'https://httpd.apache.org/docs/2.4/',
  limits: {},
  options: [WEB_ROOT, PORT],
  marker: 'apache/registry.conf',
  comment: '#',
  setup: options =>
    `include ${webRootOf(options)}/apache/registry.conf once (a2enmod headers rewrite), then: apachectl graceful`,
  reload: (_options, changed) => (changed.some(path => path !== apacheFarm.folder) ? 'apachectl graceful' : undefined),
  farm: apacheFarm,
  check: table => checkRoutes(table),
  async *emit(table, options) {
    const place = { webRoot: optionOf(options, WEB_ROOT), port: optionOf(options, PORT) }
    yield { path: 'apache/snippets/locations.conf', chunks: [SNIPPET_HEAD, formatSnippet(table.families, place)] }
    yield { path: apache.marker, chunks: [SERVER_HEAD, formatServer(table.families, place)] }
  },
}

const AGAIN = 'The command above writes this file again: what you change here is lost.'
const SERVER_HEAD = `# The registry as a virtual host, for sites-available or IncludeOptional. ${AGAIN}\n\n`
const SNIPPET_HEAD = `# The registry, for a <VirtualHost> of your own, before its other rules. ${AGAIN}\n# Ask for passwords in <Location "/v2">: the folders named below are open to whoever passes it, whatever is said of the folders above them.\n\n`
