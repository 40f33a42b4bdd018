import { formatApiError } from '../oci/api-error.ts'
import { FOUND_HEADER } from './lighttpd-find.ts'
import { luaString } from './lua-text.ts'

/** Where lighttpd's files stand, below the web root. */
const FOLDER = '/lighttpd'

/** The whole of it: one server, which takes the registry from the snippet beside it. `root` is the web root, '' for "/". */
export function formatServer(root: string, port: string): string {
  return `server.modules = ( "mod_access", "mod_magnet" )
server.compat-module-load = "disable"
server.port = ${port}
server.document-root = ${quoted(`${root}/v2`)}
# Paths come to the scripts as they are.
server.http-parseopts = ( "url-normalize" => "disable" )
# What cannot be understood at all is refused before any rule is asked.
server.errorfile-prefix = ${quoted(`${root}${FOLDER}/errors/`)}
mimetype.assign = ( ".html" => "application/json" )

${formatSnippet(root)}
# Nothing but the registry is served, whatever else the web root holds.
magnet.attract-physical-path-to += ( ${quoted(`${root}${FOLDER}/scripts/nothing.lua`)} )
`
}

/** What a server of one's own needs. */
export function formatSnippet(root: string): string {
  const script = (name: string): string => quoted(`${root}${FOLDER}/scripts/${name}.lua`)
  return `# The scripts answer all paths below /v2, and look at no other.
magnet.attract-physical-path-to += ( ${script('registry')} )
magnet.attract-response-start-to += ( ${script('headers')} )
$HTTP["url"] =~ "^/v2(?:/|$)" {
    server.error-intercept = "disable"
    url.access-deny = ( )
    server.range-requests = "disable"
    $HTTP["url"] =~ "/blobs/[^/]*$" {
        server.range-requests = "enable"
    }
}
`
}

/** The script that answers all that is no path of the registry. */
export function formatNothing(): string {
  return `lighty.r.resp_header["${FOUND_HEADER}"] = "error"
lighty.r.resp_body:set({ ${luaString(formatApiError('NAME_UNKNOWN'))} })
return 404
`
}

function quoted(text: string): string {
  return `"${text}"`
}
