import { RegistrishError } from '../errors.ts'
import { type ApiErrorCode, ERROR_HEADERS, formatApiError } from '../oci/api-error.ts'
import { DIGEST_PATTERN, quote } from '../oci/digest.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { NAME_PATTERN, RESERVED_NAMES, TAG_PATTERN } from '../oci/name.ts'
import type { RouteFamily } from '../tree/route.ts'
import { checkRoutes } from './check-routes.ts'
import { WORKER_SCRIPT } from './cloudflare-workers-script.ts'
import type { EmitOption, EmitOptions, Emitter } from './emitter.ts'
import { optionOf } from './options.ts'
import { familyOf } from './route-parts.ts'

const BUCKET: EmitOption = {
  name: 'bucket',
  value: 'NAME',
  description: 'the R2 bucket that the worker reads',
  default: 'registrish',
  parse: text => parseName('--bucket', text),
}

const WORKER: EmitOption = {
  name: 'worker',
  value: 'NAME',
  description: 'name of the worker',
  default: 'registrish',
  parse: text => parseName('--worker', text),
}

const FOLDER = 'cloudflare-workers'
const SETTINGS = `${FOLDER}/wrangler.jsonc`

/** A worker in front of an R2 bucket, to which the content is deployed as to any store of objects. It says all that a store cannot, and never changes with the content. */
export const cloudflareWorkers: Emitter = {
  name: 'cloudflare-workers',
  title: 'Cloudflare Workers',
  documentation: 'https://developers.cloudflare.com/r2/api/workers/workers-api-reference/',
  limits: {},
  options: [BUCKET, WORKER],
  marker: SETTINGS,
  comment: '//',
  setup: options =>
    `send the content to R2 (registrish deploy --s3 ${optionOf(options, BUCKET)} --s3-endpoint https://ACCOUNT.r2.cloudflarestorage.com) and publish the worker: wrangler deploy --config ${SETTINGS}`,
  reload: () => `wrangler deploy --config ${SETTINGS}`,
  unproven:
    "Cloudflare itself: this was tried with `wrangler dev` only, which has Cloudflare's runtime and an R2 of its own",
  check: table => checkRoutes(table),
  async *emit({ families }, options) {
    yield { path: `${FOLDER}/worker.js`, chunks: [NOTE, ...formatData(families), WORKER_SCRIPT] }
    yield { path: SETTINGS, chunks: [NOTE, formatSettings(options)] }
  },
}

const NOTE = '// The command above writes this file again: what you change here is lost.\n'

/** Errors that the worker answers with. */
const CODES: readonly ApiErrorCode[] = [
  'BLOB_UNKNOWN',
  'MANIFEST_UNKNOWN',
  'NAME_UNKNOWN',
  'RANGE_INVALID',
  'UNSUPPORTED',
]

/** What the worker knows of the route table and of the grammar of its paths. */
function* formatData(families: readonly RouteFamily[]): Generator<string> {
  const path = `^/v2/(?<repository>${NAME_PATTERN})/(?:(?<tags>tags/list)|manifests/(?<manifest>${TAG_PATTERN}|${DIGEST_PATTERN})|blobs/(?<blob>${DIGEST_PATTERN})|referrers/(?<subject>${DIGEST_PATTERN}))$`
  const text = (kind: 'version' | 'referrers'): string => new TextDecoder().decode(familyOf(families, kind).fallback)
  const data: Readonly<Record<string, unknown>> = {
    RESERVED: RESERVED_NAMES,
    HEADERS: Object.fromEntries(families.map(({ kind, headers }) => [kind, headers])),
    ERRORS: Object.fromEntries(CODES.map(code => [code, formatApiError(code)])),
    ERROR_HEADERS: { 'Content-Type': JSON_TYPE, ...ERROR_HEADERS },
    VERSION: text('version'),
    NO_REFERRERS: text('referrers'),
  }
  yield `\nconst PATH = ${new RegExp(path)}\n`
  for (const [name, value] of Object.entries(data)) yield `const ${name} = ${JSON.stringify(value, undefined, 2)}\n`
}

function formatSettings(options: EmitOptions): string {
  const settings = {
    name: optionOf(options, WORKER),
    main: 'worker.js',
    compatibility_date: '2026-04-01',
    r2_buckets: [{ binding: 'CONTENT', bucket_name: optionOf(options, BUCKET) }],
  }
  return `${JSON.stringify(settings, undefined, 2)}\n`
}

/** Both follow the grammar of a host name's part (R2, "Create buckets"; a worker's name is part of its address). */
function parseName(flag: string, text: string): string {
  if (/^[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])$/.test(text)) return text
  throw new RegistrishError('usage', `${flag} is not a name that Cloudflare takes: ${quote(text)}`, {
    hint: 'give 3 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends',
  })
}
