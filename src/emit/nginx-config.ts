import { DIGEST_PATTERN } from '../oci/digest.ts'
import type { RouteFamily } from '../tree/route.ts'
import { indent } from './indent.ts'
import { ERRORS, errorPages, errors } from './nginx-errors.ts'
import { contentLocations, type NginxForm } from './nginx-locations.ts'
import { formatListMaps } from './nginx-map.ts'
import { formatPageMaps } from './nginx-pages.ts'
import { quoted } from './nginx-text.ts'
import { prefixOf } from './options.ts'

/** What nginx sees: the folder that holds v2/ and nginx/, and the port it listens on; and how it finds tags. */
export interface NginxPlace {
  readonly webRoot: string
  readonly port: string
  readonly form: NginxForm
}

/** What the locations need at http level. */
export function formatMaps({ webRoot, form }: Omit<NginxPlace, 'port'>): string {
  return `# A method that writes, at a path of the registry.
map $request_method $registrish_write {
    default  $uri;
    GET      "";
    HEAD     "";
}
map $registrish_write $registrish_refused {
    default         "";
    ""              "";
    "~^/v2(?:/|$)"  1;
}

# Where a tag's link leads says what the tag is. A map is asked once per request, so that headers and bytes come
# from one answer, whatever happens to the link meanwhile ("set" would look twice, and fail where it moved between).
map $realpath_root $registrish_target {
    default  .none;
    "~/(?<registrish_type>[^/:]+):(?<registrish_subtype>[^/:]+)/(?<registrish_digest>${DIGEST_PATTERN})$"
        $registrish_type:$registrish_subtype/$registrish_digest;
}

# The folder in which a digest was found says its media type.
map $uri $registrish_media_type {
    default  "";
    "~/(?<registrish_type>[^/:]+):(?<registrish_subtype>[^/:]+)/[^/]+$"  $registrish_type/$registrish_subtype;
}

# Whether If-None-Match names the digest that is asked for. Most requests have none: no pattern is tried then.
map $http_if_none_match $registrish_condition {
    default  "$http_if_none_match|$registrish_digest";
    ""       "";
}
map $registrish_condition $registrish_unchanged {
    default  "";
    ""       "";
    "~^\\*\\|sha"  1;
    "~^(?:[^|]*,)?\\s*(?:W/)?\\"(?<registrish_known>sha[^|,\\"]+)\\"\\s*(?:,[^|]*)?\\|\\k<registrish_known>$"  1;
}

${formatPageMaps()}${form === 'map' ? formatListMaps(webRoot) : ''}`
}

/** The whole of it: maps and one server. */
export function formatServer(families: readonly RouteFamily[], place: NginxPlace): string {
  return `${formatMaps(place)}
server {
    listen ${place.port};
    server_name _;
${indent(errorPages())}
    # Nothing but the registry is served, whatever else the web root holds.
    location / {
        if ($registrish_write) {
            rewrite ^ ${ERRORS}/405 last;
        }
        return 404;
    }

${indent(formatLocations(families, place))}}
`
}

/** What a server needs: the locations below /v2/, and what keeps writes out. */
export function formatLocations(families: readonly RouteFamily[], { webRoot, form }: Omit<NginxPlace, 'port'>): string {
  const root = prefixOf(webRoot)
  const blocks = [...contentLocations(families, { root, form }), errors(root)]
  return `# The registry is read-only.
if ($registrish_refused) {
    rewrite ^ ${ERRORS}/405 last;
}

location = /v2 {
    rewrite ^ /v2/ last;
}

location ^~ /v2/ {
    # What none of the locations below takes.
    return 404;

    root ${quoted(webRoot)};
    # A digest is that of the bytes as they are: nothing may recode them, and no date may stand for them.
    types { }
    gzip off;
    charset off;
    ssi off;
    etag off;
    if_modified_since off;
    expires off;
    open_file_cache off;
    log_not_found off;
    client_max_body_size 0;
    # What a link leads to may lie outside.
    disable_symlinks on ${quoted(`from=${root}/v2`)};
${indent(errorPages())}
${indent(blocks.join('\n'))}}
`
}
