import { JSON_TYPE } from '../oci/media-types.ts'
import type { Route, RouteFamily, RouteKind, RouteTable } from '../tree/route.ts'
import { byRepository } from './by-repository.ts'
import { netlifyPages, POOL } from './netlify-paths.ts'
import { ascending, depthOf, namePlaceholders } from './netlify-text.ts'
import { familyOf, sharedHeaders } from './route-parts.ts'

type Headers = Readonly<Record<string, string>>

/** What Netlify makes itself: its ETag follows from the bytes too, and a rule could not make it answer 304 to another. */
const LEFT_OUT = new Set(['etag'])

/** What the rules of both files depend on besides the manifests, found while those are printed, so that the table is read once. */
export interface Findings {
  readonly depths: Set<number>
  complete: boolean
}

/**
 * The rules of `_headers`, in the order of the table, a repository at a time. No two rules that match one request give a header different values, so that
 * nothing depends on how Netlify merges them; and what is rewritten has rules for the path that is asked for and for the rewritten one, since it is not documented which of them rules are matched with.
 */
export async function* formatHeaders(table: RouteTable, findings: Findings): AsyncGenerator<string> {
  const { families } = table
  yield `# What holds for every answer.\n${formatRule('/*', commonHeaders(families))}`
  yield '\n# Manifests: values are literal, so each tag and each digest needs rules of its own.\n'
  for await (const [repository, routes] of byRepository(table.routes())) {
    findings.depths.add(depthOf(repository))
    yield* formatManifests(routes.filter(isManifest), families)
  }
  yield formatFamilies(families, ascending(findings.depths))
  findings.complete = true
}

/** Whether a route has header rules of its own. */
export function isManifest({ kind }: Route): boolean {
  return kind === 'tag' || kind === 'manifest'
}

/**
 * The rules of one repository's manifests. Netlify's own tool matches rules without case: of tags that differ only by case none says its digest
 * where they name different manifests (that they differ in type has been refused), so that a client computes it from the bytes.
 */
export function* formatManifests(manifests: readonly Route[], families: readonly RouteFamily[]): Generator<string> {
  const common = commonHeaders(families)
  const ambiguous = new Set(tagsAlike(manifests).flatMap(routes => (differ(routes, 'digest') ? routes : [])))
  for (const route of manifests) {
    const { 'Docker-Content-Digest': digest, ...others } = without(route.headers, common)
    const headers =
      digest === undefined || ambiguous.has(route) ? others : { ...others, 'Docker-Content-Digest': digest }
    yield formatRule(route.path, headers)
  }
}

/** Tags of one repository that are the same but for case. */
export function tagsAlike(manifests: readonly Route[]): readonly (readonly Route[])[] {
  const byFolded = new Map<string, Route[]>()
  for (const route of manifests) {
    if (route.kind !== 'tag') continue
    const folded = route.path.toLowerCase()
    const known = byFolded.get(folded)
    if (known === undefined) byFolded.set(folded, [route])
    else known.push(route)
  }
  return [...byFolded.values()].filter(routes => routes.length > 1)
}

/** Whether routes have different values of something. */
export function differ(routes: readonly Route[], key: 'digest' | 'mediaType'): boolean {
  return new Set(routes.map(route => route[key])).size > 1
}

/** One rule for each kind and depth of name, and for the files that rules of `_redirects` lead to. */
function formatFamilies(families: readonly RouteFamily[], depths: readonly number[]): string {
  const print = (kind: RouteKind, path: string): string => formatRule(path, familyHeaders(families, kind))
  const names = depths.map(depth => `/v2/${namePlaceholders(depth)}`)
  return [
    '\n# Blobs, which a digest names: the header that says it could not be the same for all of them.\n',
    ...[...names.map(name => `${name}/blobs/:digest`), `${POOL}/*`].map(path => print('blob', path)),
    '\n# Documents.\n',
    ...['/v2/', netlifyPages.version].map(path => print('version', path)),
    print('catalog', '/v2/_catalog'),
    ...names.map(name => print('tags', `${name}/tags/list`)),
    ...[...names.map(name => `${name}/referrers/:digest`), netlifyPages.noReferrers].map(path =>
      print('referrers', path),
    ),
    '\n# What is not there.\n',
    formatRule(netlifyPages.notFound, { 'Content-Type': JSON_TYPE, 'Cache-Control': 'no-store' }),
  ].join('')
}

/** Headers that all families have alike. */
function commonHeaders(families: readonly RouteFamily[]): Headers {
  const common = sharedHeaders(families).filter(({ kinds }) => kinds.length === families.length)
  return Object.fromEntries(common.map(({ name, value }) => [name, value]))
}

function familyHeaders(families: readonly RouteFamily[], kind: RouteKind): Headers {
  const headers = without(familyOf(families, kind).headers, commonHeaders(families))
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => !value.includes('{')))
}

function without(headers: Headers, common: Headers): Headers {
  const kept = Object.entries(headers).filter(([name]) => !(name in common) && !LEFT_OUT.has(name.toLowerCase()))
  return Object.fromEntries(kept)
}

function formatRule(path: string, headers: Headers): string {
  const lines = Object.entries(headers).map(([name, value]) => `  ${name}: ${value}\n`)
  return `${path}\n${lines.join('')}`
}
