import type { RouteFamily, RouteKind } from '../tree/route.ts'
import type { PagesSurvey } from './cloudflare-pages-survey.ts'
import { ALL_TAGS, allDigests, compileDigests, compileTags } from './cloudflare-pages-types.ts'
import { familyOf } from './route-parts.ts'
import type { Rule } from './rule-compiler.ts'

/** A rule of `_headers`: of all that match a path, each adds its headers, and what is detached first is replaced. */
export interface HeaderRule {
  readonly path: string
  readonly lines: readonly string[]
}

type Headers = Readonly<Record<string, string>>

/** What Pages makes itself: it answers 304 to its own ETag only. */
const LEFT_OUT = new Set(['etag'])

/** All rules, wider ones first. */
export function headerRules(families: readonly RouteFamily[], survey: PagesSurvey): readonly HeaderRule[] {
  const common = headersOf(families, 'tags', {})
  const rule = (path: string, headers: Headers): HeaderRule => ({ path, lines: overriding(headers, common) })
  const digest = (algorithm: string): Headers => ({ digest: `${algorithm}::hex` })
  const rules: HeaderRule[] = [{ path: '/*', lines: overriding(common, {}) }]
  for (const algorithm of [...survey.blobs].sort())
    rules.push(rule(`/v2/*/blobs/${algorithm}::hex`, headersOf(families, 'blob', digest(algorithm))))
  if (survey.referrers.length > 0 || familyOf(families, 'referrers').fallback !== undefined)
    rules.push(rule('/v2/*/referrers/:digest', headersOf(families, 'referrers', {})))
  rules.push(...typed(compileTags(survey.tags), ALL_TAGS, type => rule(ALL_TAGS, tagHeaders(families, type))))
  for (const [algorithm, manifests] of [...survey.digests].sort())
    rules.push(
      ...typed(compileDigests(algorithm, manifests), allDigests(algorithm), mediaType =>
        rule(allDigests(algorithm), headersOf(families, 'manifest', { ...digest(algorithm), mediaType })),
      ),
    )
  return rules
}

/** The text of one rule. */
export function formatHeaderRule({ path, lines }: HeaderRule): string {
  return `${path}\n${lines.map(line => `  ${line}\n`).join('')}`
}

/** The widest rule gives all its headers, the others another type. */
function typed(
  rules: readonly Rule[],
  widest: string,
  whole: (mediaType: string) => HeaderRule,
): readonly HeaderRule[] {
  return rules.map(({ pattern, value }) =>
    pattern === widest ? whole(value) : { path: pattern, lines: replaced('Content-Type', value) },
  )
}

/**
 * Without the digest: a HEAD that Pages answers has no length, and Docker before 29 refuses an answer with a digest and without a length, where it reads the
 * manifest itself when there is none.
 */
function tagHeaders(families: readonly RouteFamily[], mediaType: string): Headers {
  const { 'Docker-Content-Digest': _digest, ...headers } = headersOf(families, 'tag', { mediaType })
  return headers
}

function headersOf(families: readonly RouteFamily[], kind: RouteKind, values: Headers): Headers {
  const headers = Object.entries(familyOf(families, kind).headers).filter(([name]) => !LEFT_OUT.has(name.toLowerCase()))
  return Object.fromEntries(
    headers.map(([name, value]) => [name, value.replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole)]),
  )
}

/** The lines that make other headers of those that already hold. */
function overriding(headers: Headers, held: Headers): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    if (held[name] === value) return []
    return name in held ? replaced(name, value) : [`${name}: ${value}`]
  })
}

function replaced(name: string, value: string): readonly string[] {
  return [`! ${name}`, `${name}: ${value}`]
}
