import { formatApiError } from '../oci/api-error.ts'
import type { RouteFamily } from '../tree/route.ts'
import { errorDocuments } from './apache-errors.ts'
import { LINKS } from './apache-farm.ts'
import { formatLocation } from './apache-headers.ts'
import { formatPage, formatRules } from './apache-rules.ts'
import { quoted, requireModules, section } from './apache-text.ts'
import { prefixOf } from './options.ts'

/** What Apache sees: the folder that holds v2/ and apache/ and the port it listens on. */
export interface ApachePlace {
  readonly webRoot: string
  readonly port: string
}

/** The whole of it: a port and a virtual host. */
export function formatServer(families: readonly RouteFamily[], place: ApachePlace): string {
  const body = [
    '# Nothing but the registry is served, whatever else the web root holds.',
    ...errorDocuments(formatApiError('NAME_UNKNOWN'), 'env=!REGISTRISH_KIND'),
    '',
    formatSnippet(families, place),
    'RewriteRule "^" "-" "[R=404,END]"',
  ]
  return `${requireModules()}\nListen ${place.port}\n\n${section('VirtualHost', `*:${place.port}`, body)}`
}

/** What a virtual host needs: the rules and all that is said of /v2 and of the folders behind it. */
export function formatSnippet(families: readonly RouteFamily[], { webRoot }: Pick<ApachePlace, 'webRoot'>): string {
  const root = prefixOf(webRoot)
  return [
    requireModules(),
    section('Directory', quoted(`${root}${LINKS}`), ['Options FollowSymLinks', ...OPEN, formatPage(root).trimEnd()]),
    '# What a link leads to may lie outside.',
    section('Directory', quoted(`${root}/v2`), ['Options None', 'RewriteEngine Off', ...OPEN]),
    'RewriteEngine On\n',
    formatRules(families, root),
    formatLocation(families),
  ].join('\n')
}

const OPEN = ['AllowOverride None', 'Require all granted']
