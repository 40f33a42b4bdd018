import type { RouteFamily } from '../tree/route.ts'
import { answerError } from './caddy-errors.ts'
import { contentRoutes, knownRepository } from './caddy-routes.ts'
import { block, quoted } from './caddy-text.ts'

/** The whole of it: one site, which takes the registry from the snippet beside it. */
export function formatSite(port: string): string {
  return `${block(`:${port}`, [
    'import snippets/registry.caddy\n',
    '# Nothing but the registry is served, whatever else the web root holds.',
    `${block('handle', answerError(404, 'NAME_UNKNOWN'))}\n`,
    '# What went away while it was asked for, or may not be read.',
    block('handle_errors', answerError(404, 'NAME_UNKNOWN')),
  ])}\n`
}

/** What a site needs: the routes below /v2/, and what keeps writes out. A site may have rewritten the path or may compress: the first matter to nothing here, the second is not asked for. */
export function formatRegistry(families: readonly RouteFamily[], webRoot: string): string {
  const root = quoted(webRoot)
  return `${[
    '@registrish vars_regexp {http.request.orig_uri.path} ^/v2(?:/|$)',
    '# A digest is that of the bytes as they are: nothing may recode them.',
    'request_header @registrish -Accept-Encoding',
    block('handle @registrish', [
      block('route', [
        knownRepository(root),
        '@registrish_write not method GET HEAD',
        `${block('route @registrish_write', answerError(405, 'UNSUPPORTED', ['Allow `GET, HEAD`']))}\n`,
        '# What the site rewrote is asked for as it came.',
        '@registrish_moved not vars {http.request.orig_uri.path} {http.request.uri.path}',
        'rewrite @registrish_moved {http.request.orig_uri.path}\n',
        ...contentRoutes(families, root),
      ]),
    ]),
  ].join('\n')}\n`
}
