import type { RouteTable } from '../tree/route.ts'
import { formatServer, formatSnippet, MAP } from './apache-config.ts'
import { apacheFarm } from './apache-farm.ts'
import { checkRoutes } from './check-routes.ts'
import type { EmitOptions, Emitter } from './emitter.ts'
import { FORM, optionOf, PORT, WEB_ROOT } from './options.ts'
import { typeFolder } from './type-folder.ts'

const TAGS = 'apache/tags.txt'
const UPDATE = 'apache/update-map.sh'

/**
 * Apache 2.4 with mod_headers and mod_rewrite: a configuration that is written once. What a file's name in v2/ cannot say, its media type and digest, Apache reads from
 * a farm of links and small files beside v2/; so what is fetched is served at once, without a reload. With a map of the tags it reads fewer files.
 */
export const apache: Emitter = {
  name: 'apache',
  title: 'Apache httpd',
  documentation: 'https://httpd.apache.org/docs/2.4/',
  limits: {},
  options: [WEB_ROOT, PORT, FORM],
  marker: 'apache/registry.conf',
  comment: '#',
  reload,
  farm: apacheFarm,
  check: table => checkRoutes(table),
  async *emit(table, options) {
    const place = { webRoot: optionOf(options, WEB_ROOT), port: optionOf(options, PORT), map: hasMap(options) }
    if (place.map) {
      yield { path: TAGS, chunks: formatTags(table) }
      yield { path: UPDATE, chunks: [UPDATE_HEAD, formatUpdate(options)] }
    }
    yield { path: 'apache/snippets/locations.conf', chunks: [SNIPPET_HEAD, formatSnippet(table.families, place)] }
    yield { path: apache.marker, chunks: [SERVER_HEAD, formatServer(table.families, place)] }
  },
}

function hasMap(options: EmitOptions): boolean {
  return optionOf(options, FORM) === 'map'
}

/** The source of the map: a line per tag, in the order of the table. */
async function* formatTags(table: RouteTable): AsyncGenerator<string> {
  for await (const { kind, path, mediaType, digest } of table.routes())
    if (kind === 'tag' && digest !== undefined) yield `${path} ${typeFolder(mediaType)}/${digest}\n`
}

/** `sh …` where the tags changed, and a graceful restart where the configuration did. */
function reload(options: EmitOptions, changed: readonly string[]): string {
  const script = changed.includes(TAGS) ? [`sh ${shellQuote(`${webRootOf(options)}/${UPDATE}`)}`] : []
  const read = changed.some(path => path !== TAGS) ? ['apachectl graceful'] : []
  return [...script, ...read].join(' && ')
}

/**
 * A map is made beside the old one and renamed, so that Apache finds one or the other; where the two files of one do not match, the small files say what the map does not.
 * httxt2dbm adds to a file that is there, and asks the umask who may read it.
 */
function formatUpdate(options: EmitOptions): string {
  const [folder, map] = [`${webRootOf(options)}/apache`, MAP.slice('/apache/'.length)]
  return [
    'set -e',
    `cd ${shellQuote(folder)}`,
    `rm -f ${map}.new.dir ${map}.new.pag`,
    `httxt2dbm -f SDBM -i ${TAGS.slice('apache/'.length)} -o ${map}.new`,
    `chmod 644 ${map}.new.dir ${map}.new.pag`,
    `mv ${map}.new.dir ${map}.dir`,
    `mv ${map}.new.pag ${map}.pag`,
    '',
  ].join('\n')
}

function webRootOf(options: EmitOptions): string {
  return optionOf(options, WEB_ROOT).replace(/\/$/, '')
}

function shellQuote(path: string): string {
  return /^[A-Za-z0-9_/.,:=@+-]+$/.test(path) ? path : `'${path}'`
}

const AGAIN = 'The command above writes this file again: what you change here is lost.'
const UPDATE_HEAD = `# Makes the map that Apache reads from tags.txt: to be run after each fetch. ${AGAIN}\n\n`
const SERVER_HEAD = `# The registry as a virtual host, for sites-available or IncludeOptional. ${AGAIN}\n\n`
const SNIPPET_HEAD = `# The registry, for a <VirtualHost> of your own, before its other rules. ${AGAIN}\n# Ask for passwords in <Location "/v2">: the folders named below are open to whoever passes it, whatever is said of the folders above them.\n\n`
