import { formatApiError } from '../oci/api-error.ts'
import { checkRoutes } from './check-routes.ts'
import type { EmitOptions, EmittedFile, Emitter } from './emitter.ts'
import { formatNothing, formatServer, formatSnippet } from './lighttpd-config.ts'
import { lighttpdFarm } from './lighttpd-farm.ts'
import { formatFind } from './lighttpd-find.ts'
import { formatHeaders } from './lighttpd-headers.ts'
import { optionOf, PORT, WEB_ROOT, webRootOf } from './options.ts'
import { shellQuote } from './shell-quote.ts'

/**
 * lighttpd 1.4 with mod_magnet: a configuration that is written once. lighttpd cannot put what a path holds into a header; a script can, and reads a manifest's media type
 * and digest from a farm of links and small files beside v2/. So what is fetched is served at once, without a reload.
 */
export const lighttpd: Emitter = {
  name: 'lighttpd',
  title: 'lighttpd',
  documentation: 'https://redmine.lighttpd.net/projects/lighttpd/wiki/Mod_magnet',
  limits: {},
  options: [WEB_ROOT, PORT],
  marker: 'lighttpd/lighttpd.conf',
  comment: '#',
  setup: options =>
    `install mod_magnet (apt install lighttpd-modules-lua), then run it (lighttpd -D -f ${configOf(options)}), or include the snippet of lighttpd/snippets in a configuration of yours`,
  reload: (_options, changed) =>
    changed.some(path => path.endsWith('.conf')) ? 'systemctl restart lighttpd, or what you run it with' : undefined,
  farm: lighttpdFarm,
  check: table => checkRoutes(table),
  async *emit({ families }, options) {
    const root = webRootOf(options)
    yield script('registry', formatFind(families, root))
    yield script('headers', formatHeaders(families))
    yield script('nothing', formatNothing())
    for (const status of REFUSED_EARLY)
      yield { path: `lighttpd/errors/${status}.html`, chunks: [formatApiError('BAD_REQUEST')], bare: true }
    yield { path: 'lighttpd/snippets/registry.conf', chunks: [SNIPPET_HEAD, formatSnippet(root)] }
    yield { path: lighttpd.marker, chunks: [SERVER_HEAD, formatServer(root, optionOf(options, PORT))] }
  },
}

/** A comment of Lua's does not begin as ours do. */
function script(name: string, text: string): EmittedFile {
  return { path: `lighttpd/scripts/${name}.lua`, chunks: [SCRIPT_HEAD, text], bare: true }
}

/** What lighttpd says of a request that it does not understand. */
const REFUSED_EARLY: readonly number[] = [400, 411, 413, 414, 417, 431, 501]

function configOf(options: EmitOptions): string {
  return shellQuote(`${webRootOf(options)}/lighttpd/lighttpd.conf`)
}

const NEEDED = 'It needs mod_magnet, which Debian has in the package lighttpd-modules-lua.'
const AGAIN = 'The command above writes this file again: what you change here is lost.'
const SCRIPT_HEAD =
  '-- Written by registrish emit --host lighttpd, which writes this file again: what you change here is lost.\n'
const SERVER_HEAD = `# The registry as a server of its own: lighttpd -D -f with this file. ${NEEDED}\n# ${AGAIN}\n\n`
const SNIPPET_HEAD = `# The registry, for a lighttpd.conf of your own or a virtual host in it, behind all else. ${NEEDED}\n# ${AGAIN}\n\n`
