import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import { isManifestType } from '../oci/media-types.ts'
import type { Route } from '../tree/route.ts'
import { checkRoutes } from './check-routes.ts'
import type { EmitOption, EmittedLink, Emitter, LinkFarm } from './emitter.ts'
import { formatLocations, formatMaps, formatServer } from './nginx-config.ts'
import { LINKS, typeFolder } from './nginx-paths.ts'

const webRoot: EmitOption = {
  name: 'web-root',
  description: 'what nginx sees as the folder that holds v2/ and nginx/',
  default: '/srv/registrish',
  parse: parseWebRoot,
}

const port: EmitOption = {
  name: 'port',
  description: 'port that nginx listens on',
  default: '5555',
  parse: parsePort,
}

/**
 * `alpine:/latest` is a symbolic link to `<type>:<subtype>/<digest>` beside it, so that where it leads says the manifest's media type and digest. No repository
 * or tag has a colon, so nothing collides. A digest of one of the four usual types is found by trying their folders; of any other, by a symbolic link.
 * nginx looks at every folder of the way, each from the root on: the fewer the faster.
 */
const farm: LinkFarm = {
  folder: LINKS.slice(1),
  folderOf: repository => `${LINKS.slice(1)}/${repository}:`,
  *links({ kind, repository, body, mediaType, digest, path }: Route): Generator<EmittedLink> {
    if (kind !== 'tag' && kind !== 'manifest') return
    if (repository === undefined || digest === undefined || !('file' in body)) return
    const folder = farm.folderOf(repository)
    const named = `${folder}/${typeFolder(mediaType)}/${digest}`
    yield { type: 'link', path: named, to: body.file, digest }
    if (kind === 'tag') yield { type: 'symlink', path: `${folder}/${path.slice(path.lastIndexOf('/') + 1)}`, to: named }
    else if (!isManifestType(mediaType)) yield { type: 'symlink', path: `${folder}/${digest}`, to: named }
  },
}

/**
 * nginx, any stock build (tested with 1.22): a configuration that is written once. What a file's name in v2/ cannot say, its media type and digest, nginx reads from
 * a farm of links beside v2/; so what is fetched is served at once, without a reload.
 */
export const nginx: Emitter = {
  name: 'nginx',
  title: 'nginx',
  documentation: 'https://nginx.org/en/docs/',
  limits: {},
  options: [webRoot, port],
  marker: 'nginx/registry.conf',
  comment: '#',
  reload: 'nginx -s reload',
  constant: true,
  farm,
  check: table => checkRoutes(table),
  async *emit({ families }, options) {
    const place = { webRoot: parsed(options, webRoot), port: parsed(options, port) }
    yield { path: 'nginx/snippets/maps.conf', chunks: [MAPS_HEAD, formatMaps()] }
    yield { path: 'nginx/snippets/locations.conf', chunks: [LOCATIONS_HEAD, formatLocations(families, place.webRoot)] }
    yield { path: nginx.marker, chunks: [SERVER_HEAD, formatServer(families, place)] }
  },
}

const AGAIN = 'The command above writes this file again: what you change here is lost.'
const SERVER_HEAD = `# The registry as a server, for /etc/nginx/conf.d/. ${AGAIN}\n\n`
const MAPS_HEAD = `# What locations.conf needs, for http { }. ${AGAIN}\n\n`
const LOCATIONS_HEAD = `# The registry, for a server { } of your own; maps.conf belongs beside it. ${AGAIN}\n\n`

function parsed(options: Readonly<Record<string, string>>, option: EmitOption): string {
  return option.parse(options[option.name] ?? option.default)
}

/** An absolute path that means the same inside quotes in nginx's configuration: no quote, no backslash, no variable, nothing to normalise. */
function parseWebRoot(text: string): string {
  const path = text === '/' ? text : text.replace(/\/$/, '')
  const plain = /^\/(?:[^/\\"'$\x00-\x1f\x7f]+(?:\/|$))*$/.test(path)
  if (plain && !path.split('/').some(part => part === '.' || part === '..')) return path
  throw new RegistrishError('usage', `--web-root is not a folder that nginx can be told of: ${quote(text)}`, {
    hint: 'give an absolute path without "..", quotes, backslashes, "$" and control characters, for example /srv/registrish',
  })
}

function parsePort(text: string): string {
  if (/^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535) return text
  throw new RegistrishError('usage', `--port is not a port: ${quote(text)}`, { hint: 'give a number from 1 to 65535' })
}
