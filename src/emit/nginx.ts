import { isManifestType } from '../oci/media-types.ts'
import type { Route } from '../tree/route.ts'
import { checkRoutes } from './check-routes.ts'
import type { EmittedLink, Emitter, LinkFarm } from './emitter.ts'
import { formatLocations, formatMaps, formatServer } from './nginx-config.ts'
import { listTags, TAG_LIST } from './nginx-map.ts'
import { LINKS } from './nginx-paths.ts'
import { FORM, optionOf, PORT, WEB_ROOT, webRootOf } from './options.ts'
import { manifestOf } from './route-parts.ts'

/**
 * `alpine:/latest` is a symbolic link to `<type>:<subtype>/<digest>` beside it, so that where it leads says the manifest's media type and digest. No repository
 * or tag has a colon, so nothing collides. A digest of one of the four usual types is found by trying their folders; of any other, by a symbolic link.
 * nginx looks at every folder of the way, each from the root on: the fewer the faster.
 */
const farm: LinkFarm = {
  folder: LINKS.slice(1),
  folderOf: repository => `${LINKS.slice(1)}/${repository}:`,
  *links(route: Route): Generator<EmittedLink> {
    const manifest = manifestOf(route)
    if (manifest === undefined) return
    const { kind, repository, reference, digest, type, mediaType, file } = manifest
    const folder = farm.folderOf(repository)
    const named = `${folder}/${type}/${digest}`
    yield { type: 'link', path: named, to: file, digest }
    if (kind === 'tag' || !isManifestType(mediaType))
      yield { type: 'symlink', path: `${folder}/${reference}`, to: named }
  },
}

/**
 * nginx, any stock build (tested with 1.22): a configuration that is written once. What a file's name in v2/ cannot say, its media type and digest, nginx reads from
 * a farm of links beside v2/; so what is fetched is served at once, without a reload. In the form `map` a list of tags stands before that, read when nginx starts.
 */
export const nginx: Emitter = {
  name: 'nginx',
  title: 'nginx',
  documentation: 'https://nginx.org/en/docs/',
  limits: {},
  options: [WEB_ROOT, PORT, FORM],
  marker: 'nginx/registry.conf',
  comment: '#',
  setup: options =>
    `include ${webRootOf(options)}/nginx/registry.conf once in the http { } of nginx (docker-compose.yml does), then: nginx -s reload`,
  reload: (_options, changed) => (changed.some(path => path !== farm.folder) ? 'nginx -s reload' : undefined),
  farm,
  check: table => checkRoutes(table),
  async *emit(table, options) {
    const { families } = table
    const form = optionOf(options, FORM) === 'map' ? 'map' : 'constant'
    const place = { webRoot: optionOf(options, WEB_ROOT), port: optionOf(options, PORT), form } as const
    if (form === 'map') yield { path: TAG_LIST, chunks: listTags(table) }
    yield { path: 'nginx/snippets/maps.conf', chunks: [MAPS_HEAD, formatMaps(place)] }
    yield { path: 'nginx/snippets/locations.conf', chunks: [LOCATIONS_HEAD, formatLocations(families, place)] }
    yield { path: nginx.marker, chunks: [SERVER_HEAD, formatServer(families, place)] }
  },
}

const AGAIN = 'The command above writes this file again: what you change here is lost.'
const SERVER_HEAD = `# The registry as a server, for /etc/nginx/conf.d/. ${AGAIN}\n\n`
const MAPS_HEAD = `# What locations.conf needs, for http { }. ${AGAIN}\n\n`
const LOCATIONS_HEAD = `# The registry, for a server { } of your own; maps.conf belongs beside it. ${AGAIN}\n\n`
