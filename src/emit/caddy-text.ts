import { quote } from '../oci/digest.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { indent } from './indent.ts'
import { familyOf } from './route-parts.ts'

/** A family of the route table in Caddy's words. */
export interface Printed {
  readonly mediaType: string
  /** Lines of a `header` block, `{digest}` and `{mediaType}` replaced by placeholders; of the headers named in `only`, or all but those in `without`. */
  headers(placeholders: Placeholders, choice?: HeaderChoice): readonly string[]
  /** The quoted body where no file stands. */
  readonly fallback: string
}

/** What stands in Caddy's configuration for what a request captured. */
interface Placeholders {
  readonly digest?: string
  readonly mediaType?: string
}

/** Which headers of a family. */
interface HeaderChoice {
  readonly only?: readonly string[]
  readonly without?: readonly string[]
}

/** Translates a family. */
export function printFamily(families: readonly RouteFamily[], kind: RouteKind): Printed {
  const family = familyOf(families, kind)
  return {
    mediaType: family.mediaType,
    fallback: family.fallback === undefined ? '``' : quoted(new TextDecoder().decode(family.fallback)),
    headers: ({ digest = '', mediaType = '' }, { only, without = [] } = {}) =>
      Object.entries(family.headers).flatMap(([name, value]) => {
        if (/[{}]/.test(value.replace('{digest}', '').replace('{mediaType}', '')))
          throw new TypeError(`${name} cannot be put into Caddy's words: ${value}`)
        if (only?.includes(name) === false || without.includes(name)) return []
        return [`${name} ${quoted(value.replace('{digest}', digest).replace('{mediaType}', mediaType))}`]
      }),
  }
}

/** A block, as `caddy fmt` would write it. */
export function block(head: string, lines: readonly string[]): string {
  return `${head} {\n${indent(lines.join('\n'), '\t')}\n}`
}

/** One word of a configuration, in which Caddy replaces placeholders that it knows, and nothing else. */
export function quoted(text: string): string {
  if (/[`\n\r]|\{\$/.test(text)) throw new TypeError(`${quote(text)} cannot be quoted for Caddy`)
  return `\`${text}\``
}
