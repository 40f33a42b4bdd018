import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { CHOSEN_ERROR, errorDocuments } from './apache-errors.ts'
import { quoted, section } from './apache-text.ts'
import { familyOf, sharedHeaders } from './route-parts.ts'

/** What holds for all answers below /v2: a <Location> is merged last, so that it overrules what folders and the server have been told. */
export function formatLocation(families: readonly RouteFamily[]): string {
  return section('Location', '"/v2"', [
    '# Bytes are sent as they are, by nothing but the handler of files.',
    'SetHandler default-handler',
    'ForceType None',
    'AddDefaultCharset Off',
    '# With None Apache would drop ours too.',
    'FileETag MTime Size',
    section('IfModule', 'mod_expires.c', ['ExpiresActive Off']).trimEnd(),
    section('IfModule', 'mod_proxy.c', ['ProxyPass "!"']).trimEnd(),
    '',
    '# The digest is the ETag, which Apache does not know when it looks at the conditions: they are judged here.',
    ...CONDITIONS,
    '',
    ...successHeaders(families),
    '',
    '# Part of a list of tags: a text, which Apache calls an error document whatever the status.',
    `ErrorDocument 200 ${quoted(PAGE)}`,
    ...pageHeaders(familyOf(families, 'tags')),
    '',
    ...errorDocuments(CHOSEN_ERROR, '"expr=%{REQUEST_STATUS} -ge 400"'),
  ])
}

/** The rest of a list of tags: what the rules put there. */
const PAGE = JSON.stringify({ name: '%{reqenv:REGISTRISH_NAME}', tags: [] }).replace(
  '[]',
  '[%{reqenv:REGISTRISH_REST}]',
)

const KNOWN =
  `-n req_novary('If-None-Match') && req_novary('If-None-Match') . '|' . reqenv('REGISTRISH_DIGEST') =~ ` +
  String.raw`m#^(?:\*\|sha|(?:[^|]*,)?\s*(?:W/)?"(sha[^|,"]+)"\s*(?:,[^|]*)?\|\1$)#`

const CONDITIONS: readonly string[] = [
  ...['If-Match', 'If-Unmodified-Since', 'If-Modified-Since'].map(name => `RequestHeader unset ${name}`),
  `RequestHeader unset If-None-Match ${quoted(`expr=!(${KNOWN})`)}`,
  `RequestHeader set If-None-Match "*" "expr=-n req_novary('If-None-Match')"`,
]

/** Headers of files: what all kinds have alike is said once, all else for the kinds that have it. The media type is a variable for all of them. */
function successHeaders(families: readonly RouteFamily[]): readonly string[] {
  const headers = sharedHeaders(families).filter(({ name }) => name !== 'Content-Type')
  const names = [...new Set(headers.map(({ name }) => name))]
  return [
    'Header unset Last-Modified',
    'Header unset Expires',
    'Header set Content-Type "%{REGISTRISH_TYPE}e" env=REGISTRISH_TYPE',
    ...names.flatMap(name => [
      `Header always unset ${name}`,
      `Header unset ${name}`,
      ...headers
        .filter(header => header.name === name)
        .map(({ value, kinds }) => {
          const condition = kinds.length === families.length ? FOUND : isOneOf(kinds)
          return `Header set ${name} ${formatValue(value)} ${condition}`
        }),
    ]),
  ]
}

/** Where a rule has found what was asked for. */
const FOUND = 'env=REGISTRISH_KIND'

function isOneOf(kinds: readonly RouteKind[]): string {
  return `"expr=reqenv('REGISTRISH_KIND') in {${kinds.map(kind => `'${kind}'`).join(', ')}}"`
}

function pageHeaders({ headers }: RouteFamily): readonly string[] {
  const lines = Object.entries(headers).map(([name, value]) => `Header always set ${name} ${formatValue(value)}`)
  return lines.map(line => `${line} "expr=%{REQUEST_STATUS} -eq 200 && reqenv('REGISTRISH_KIND') == 'page'"`)
}

function formatValue(template: string): string {
  if (/[%$]/.test(template)) throw new TypeError(`mod_headers cannot be told ${template}`)
  return quoted(template.replace('{digest}', '%{REGISTRISH_DIGEST}e'))
}
