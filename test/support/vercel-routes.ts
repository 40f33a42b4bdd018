/*
 * What Vercel's documentation says a deployment answers, for the parts of config.json that are emitted. It is a reading of documents and of published source, not Vercel:
 * what it gives proves nothing about the host.
 *  - https://vercel.com/docs/build-output-api/configuration ("routes", "overrides")
 *  - vercel/vercel on GitHub, packages/routing-utils/src: schemas.ts (what a route may hold), index.ts (what is refused), and resolver.ts, which was only ever
 *    on a branch (commit 7621d5245a); packages/cli/src/util/dev: router.ts, server.ts (how routes are followed)
 * Where the resolver and the router leave something open, or differ, a {@link Reading} chooses.
 */

/** How to read what is not documented. */
export interface Reading {
  /** Of two routes that give a header: the first (resolver.ts) or the last (router.ts) counts. */
  readonly headers: 'first' | 'last'
  /** What routes after `hit` are matched with: where the file stands (both sources), also that of an error's page; or what was asked for, where it is there. */
  readonly hit: 'file' | 'request'
}

/** All readings. */
export const READINGS: readonly Reading[] = (['first', 'last'] as const).flatMap(headers =>
  (['file', 'request'] as const).map(hit => ({ headers, hit })),
)

/** An answer. */
export interface VercelAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array | undefined
}

/** A deployment: config.json and the files of `static/`, by their paths below it. */
interface Deployment {
  readonly config: string
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly reading: Reading
}

interface Source {
  readonly src: string
  readonly dest?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly methods?: readonly string[]
  readonly continue?: boolean
  readonly caseSensitive?: boolean
  readonly status?: number
}

type Phase = 'first' | 'filesystem' | 'hit' | 'error'

/** What is served at each URL path. */
type Outputs = ReadonlyMap<string, { readonly body: Uint8Array; readonly type: string }>

/** A deployment that answers requests. @throws Error for a configuration that Vercel would refuse. */
export function deploy({ config, files, reading }: Deployment): (method: string, path: string) => VercelAnswer {
  const { routes, overrides } = parseConfig(config)
  const phases = splitPhases(routes)
  const outputs = placeFiles(files, overrides)
  return (method, path) => {
    const walk: Walk = { method, path, status: 200, headers: new Map(), reading }
    let found = follow(walk, phases.get('first') ?? [], outputs) ?? lookUp(outputs, walk.path)
    found ??= follow(walk, phases.get('filesystem') ?? [], outputs) ?? lookUp(outputs, walk.path)
    if (found === undefined) {
      walk.status = 404
      const routes = (phases.get('error') ?? []).filter(({ status }) => status === undefined || status === walk.status)
      found = follow(walk, routes, outputs)
    }
    if (found !== undefined && (reading.hit === 'file' || walk.status === 200)) {
      if (reading.hit === 'request') walk.path = path
      follow(walk, phases.get('hit') ?? [], outputs)
    }
    const type = found === undefined ? [] : [['content-type', found.type] as const]
    const headers = new Map([...type, ...walk.headers])
    return { status: walk.status, headers, body: method === 'HEAD' ? undefined : found?.body }
  }
}

/** Where a request has got to. */
interface Walk {
  readonly method: string
  readonly reading: Reading
  readonly headers: Map<string, string>
  path: string
  status: number
}

/** Follows the routes of a phase: to the end, or to the first that matches and does not continue, which leads to a file or to nothing. */
function follow(walk: Walk, routes: readonly Source[], outputs: Outputs): ReturnType<typeof lookUp> {
  for (const { src, dest, headers = {}, methods, status, caseSensitive, continue: goOn } of routes) {
    const match = new RegExp(src, caseSensitive === true ? '' : 'i').exec(walk.path)
    if (match === null || (methods !== undefined && !methods.includes(walk.method))) continue
    for (const [name, value] of Object.entries(headers)) {
      const known = walk.headers.has(name.toLowerCase())
      if (!known || walk.reading.headers === 'last') walk.headers.set(name.toLowerCase(), fill(value, match))
    }
    if (dest !== undefined) walk.path = fill(dest, match)
    if (status !== undefined) walk.status = status
    if (goOn !== true) return lookUp(outputs, walk.path)
  }
  return undefined
}

/** Captures stand as `$1`, or `$name`. */
function fill(text: string, match: RegExpExecArray): string {
  return text.replace(/\$([0-9]+|[a-zA-Z]+)/g, (_, key: string) => match[Number(key)] ?? match.groups?.[key] ?? '')
}

/** A folder is its index.html. */
function lookUp(outputs: Outputs, path: string): { readonly body: Uint8Array; readonly type: string } | undefined {
  return outputs.get(path) ?? outputs.get(`${path.replace(/\/$/, '')}/index.html`)
}

function placeFiles(files: Deployment['files'], overrides: Overrides): Outputs {
  for (const path of Object.keys(overrides)) if (!files.has(path)) throw new Error(`an override of no file: ${path}`)
  return new Map(
    [...files].map(([path, body]) => {
      const { path: served = path, contentType = typeOf(path) } = overrides[path] ?? {}
      return [`/${served}`, { body, type: contentType }] as const
    }),
  )
}

const TYPES: Readonly<Record<string, string>> = {
  json: 'application/json; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'application/javascript; charset=utf-8',
  gz: 'application/gzip',
}

function typeOf(path: string): string {
  return TYPES[/\.([^./]+)$/.exec(path)?.[1] ?? ''] ?? 'application/octet-stream'
}

type Overrides = Readonly<Record<string, { readonly path?: string; readonly contentType?: string }>>

const KEYS = new Set(['src', 'dest', 'headers', 'methods', 'continue', 'caseSensitive', 'status'])

function parseConfig(text: string): { readonly routes: readonly unknown[]; readonly overrides: Overrides } {
  const { version, routes = [], overrides = {}, ...others } = JSON.parse(text) as Record<string, unknown>
  if (version !== 3 || Object.keys(others).length > 0)
    throw new Error('not a configuration of version 3 as it is emitted')
  if (!Array.isArray(routes) || routes.length > 2048) throw new Error('more than 2,048 routes')
  return { routes, overrides: overrides as Overrides }
}

function splitPhases(routes: readonly unknown[]): ReadonlyMap<Phase, readonly Source[]> {
  const phases = new Map<Phase, Source[]>([['first', []]])
  let phase: Phase = 'first'
  for (const route of routes as readonly Readonly<Record<string, unknown>>[]) {
    const handle = route['handle']
    if (handle === undefined) {
      phases.get(phase)?.push(checkSource(route, phase))
      continue
    }
    if (handle !== 'filesystem' && handle !== 'hit' && handle !== 'error')
      throw new Error(`no phase: ${String(handle)}`)
    if (phases.has(handle) || Object.keys(route).length > 1)
      throw new Error(`a phase that is there already, or more: ${handle}`)
    phase = handle
    phases.set(phase, [])
  }
  return phases
}

/** The rules of routing-utils: its schema, and `normalizeRoutes`, which adds the anchors where they are missing. */
function checkSource(route: Readonly<Record<string, unknown>>, phase: Phase): Source {
  const { src, dest, headers, methods, status, continue: goOn } = route
  const unknown = Object.keys(route).find(key => !KEYS.has(key))
  if (unknown !== undefined) throw new Error(`a route has no ${unknown}`)
  if (typeof src !== 'string' || src.length > 4096) throw new Error('src is not text of at most 4,096 characters')
  if (!src.startsWith('^') || !src.endsWith('$')) throw new Error(`no anchors: ${src}`)
  if (dest !== undefined && (typeof dest !== 'string' || dest.length > 4096)) throw new Error('dest is too long')
  if (phase === 'hit' && (dest !== undefined || status !== undefined || goOn !== true))
    throw new Error('after hit a route has neither dest nor status, and continues')
  if (status !== undefined && !(typeof status === 'number' && status >= 100 && status <= 999))
    throw new Error('no status')
  if (methods !== undefined && (!Array.isArray(methods) || methods.length > 10)) throw new Error('more than 10 methods')
  if (headers !== undefined && Object.keys(headers as object).length === 0) throw new Error('headers without any')
  new RegExp(src)
  return route as unknown as Source
}
