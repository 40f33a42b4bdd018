import { formatApiError, formatOwnError } from '../oci/api-error.ts'
import type { RouteFamily } from '../tree/route.ts'
import { section } from './apache-text.ts'
import { READ_ONLY } from './htaccess-farm.ts'
import { formatHeaders } from './htaccess-headers.ts'
import { formatRules } from './htaccess-rules.ts'
import { BODY, literal } from './htaccess-text.ts'

/** The whole file. What a hoster's Apache may lack stands in a section of its own, since an unknown word would make every answer a 500. */
export function formatHtaccess(families: readonly RouteFamily[]): string {
  return [
    HEAD,
    CORE,
    section('IfModule', 'mod_dir.c', ['DirectorySlash Off']),
    section('IfModule', 'mod_expires.c', ['ExpiresActive Off']),
    section('IfModule', 'mod_setenvif.c', [
      '# For what Apache refuses before it asks the rules.',
      `SetEnvIf Request_URI ^ ${literal(`${BODY}=${formatApiError('MANIFEST_UNKNOWN')}`)}`,
    ]),
    section('IfModule', 'mod_rewrite.c', formatRules(families)),
    section('IfModule', '!mod_rewrite.c', WITHOUT_REWRITE),
    section('IfModule', 'mod_headers.c', formatHeaders(families)),
    section('IfModule', '!mod_headers.c', ['# A date and a size say nothing about a tag that moved.', 'FileETag None']),
  ].join('\n')
}

const HEAD = `# The registry for Apache 2.4.13 or later, in the root of a web space. This folder is the registry's, all of it: whatever else
# stands here (a clone, a home folder, a web site of your own) answers 404, but for what proves to a certificate authority whose
# site it is. The command above writes this file again: what you change here is lost.
#
# Needs AllowOverride FileInfo Indexes (or All), and that the hoster follows symbolic links, of the same owner at least: mod_rewrite
# asks for that, though there are none. Without mod_rewrite everything is 404. Without mod_headers there are no digests, no ETags
# and no Cache-Control (clients compute the digests themselves), and errors are JSON that calls itself HTML.
#
# What no .htaccess can change: Apache itself refuses, with a page of its own, a path that holds %2F or %00, that cannot be decoded
# (400 or 404) or that has a part of more than 255 bytes (403); it does not say how long a blob is whose end a range lies beyond;
# and it answers TRACE, where the hoster leaves that on.
`

const CORE = `ErrorDocument 404 "%{reqenv:${BODY}}"
# Beside a text Apache would put an Allow of its own, which is wrong.
ErrorDocument 405 ${READ_ONLY}
ErrorDocument 400 ${literal(formatApiError('BAD_REQUEST'))}
ErrorDocument 403 ${literal(formatOwnError('DENIED', 'the web server may not read this'))}
ErrorDocument 416 ${literal(formatApiError('RANGE_INVALID'))}
`

/** Nothing private is shown where no rules say what that is. */
const WITHOUT_REWRITE = [
  `ErrorDocument 404 ${literal(formatApiError('NAME_UNKNOWN'))}`,
  section('IfModule', 'mod_alias.c', ['RedirectMatch 404 ^']).trimEnd(),
  section('IfModule', '!mod_alias.c', [section('IfModule', 'mod_authz_core.c', ['Require all denied'])]).trimEnd(),
]
