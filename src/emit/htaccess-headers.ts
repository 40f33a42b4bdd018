import { ERROR_HEADERS } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import type { RouteFamily } from '../tree/route.ts'
import { quoted } from './apache-text.ts'
import { DIGEST, KIND, TYPE } from './htaccess-text.ts'
import { sharedHeaders } from './route-parts.ts'

/**
 * Apache keeps two tables of headers and sends both, so what the hoster has put into either goes first. Ours stand in the one that is also sent
 * with errors and with answers that are in no file.
 */
export function formatHeaders(families: readonly RouteFamily[]): readonly string[] {
  const found = foundHeaders(families)
  const names = new Set([...DATES, ...[...found, ...FAILURE_HEADERS].map(({ name }) => name)])
  return [
    ...CONDITIONS,
    '',
    '# The hoster may have set any of them.',
    ...[...names].flatMap(name => [`Header unset ${name}`, `Header always unset ${name}`]),
    '',
    ...[...found, ...FAILURE_HEADERS, ...BODY_HEADERS].map(
      ({ name, value, where }) => `Header always set ${name} ${quoted(value)} ${quoted(`expr=${where}`)}`,
    ),
  ]
}

interface Header {
  readonly name: string
  readonly value: string
  /** An expression of Apache's. */
  readonly where: string
}

/** Each header once, with all kinds of answers that bear it. Content-Type is the rules' (their `T=` also tells Apache's filters). */
function foundHeaders(families: readonly RouteFamily[]): readonly Header[] {
  return sharedHeaders(families)
    .filter(({ name }) => name !== 'Content-Type')
    .map(({ name, value, kinds }) => ({
      name,
      value: value.replace('{digest}', `%{${DIGEST}}e`),
      where: `%{REQUEST_STATUS} -lt 400 && reqenv('${KIND}') in {${kinds.map(kind => `'${kind}'`).join(',')}}`,
    }))
}

const FAILED = '%{REQUEST_STATUS} -ge 400'
const FAILURE_HEADERS: readonly Header[] = [
  ...Object.entries(ERROR_HEADERS).map(([name, value]) => ({ name, value, where: FAILED })),
  { name: 'Allow', value: 'GET, HEAD', where: '%{REQUEST_STATUS} -eq 405' },
]

/** Of bodies that are in no file: Apache would call them HTML. */
const BODY_HEADERS: readonly Header[] = [
  { name: 'Content-Type', value: JSON_TYPE, where: FAILED },
  { name: 'Content-Type', value: `%{${TYPE}}e`, where: `-n reqenv('${TYPE}')` },
]

/** No date may stand for bytes that are known by their digest. */
const DATES = ['Last-Modified', 'Expires']

const known = `req_novary('If-None-Match') . '|' . reqenv('${DIGEST}')`
const KNOWN_PATTERN = `m#^(?:[^|]*,)?[[:space:]]*(?:W/)?\\x22(sha[^|,\\x22]+)\\x22[[:space:]]*(?:,[^|]*)?\\|\\1$#`
const served = `-n reqenv('${DIGEST}')`

/** Apache knows no ETag but its own: what a client asks for is compared here, and it is told the outcome. */
const CONDITIONS = [
  ...['If-Modified-Since', 'If-Unmodified-Since', 'If-Match'].map(name => `RequestHeader unset ${name}`),
  `RequestHeader set If-None-Match "*" ${quoted(`expr=${known} =~ ${KNOWN_PATTERN}`)}`,
  `RequestHeader unset If-None-Match ${quoted(`expr=${served} && req_novary('If-None-Match') != '*'`)}`,
  `RequestHeader unset If-Range ${quoted(`expr=${served} && req_novary('If-Range') == '"' . reqenv('${DIGEST}') . '"'`)}`,
  `RequestHeader unset Range ${quoted(`expr=${served} && -n req_novary('If-Range')`)}`,
]
