import { quote } from '../oci/digest.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { indent } from './indent.ts'
import { familyOf } from './route-parts.ts'

/** A family of the route table in nginx's words. */
export interface Printed {
  readonly mediaType: string
  /** `add_header` lines, `{digest}` and `{mediaType}` replaced by variables; Content-Type only where it varies and is known. */
  headers(variables: { readonly mediaType?: string }): readonly string[]
  /** The quoted body where no file stands. */
  readonly fallback: string
}

/** Translates a family. */
export function printFamily(families: readonly RouteFamily[], kind: RouteKind): Printed {
  const family = familyOf(families, kind)
  return {
    mediaType: family.mediaType,
    fallback: family.fallback === undefined ? "''" : literal(new TextDecoder().decode(family.fallback)),
    headers: ({ mediaType }) => [
      ...Object.entries(family.headers).flatMap(([name, value]) => {
        if (value.includes('$')) throw new TypeError(`${name} cannot be put into nginx's words: ${value}`)
        if (name === 'Content-Type' && mediaType === undefined) return []
        const text = value.replace('{digest}', '$registrish_digest').replace('{mediaType}', mediaType ?? '')
        return [`add_header ${name} ${quoted(text)};`]
      }),
      'add_header Last-Modified "";',
    ],
  }
}

/** A location block. */
export function location(match: string, lines: readonly string[]): string {
  return `location ${match} {\n${indent(lines.join('\n'))}\n}\n`
}

/** A string in which nginx replaces variables. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** A string that nginx takes as it is. */
export function literal(text: string): string {
  if (/['\\$]/.test(text)) throw new TypeError(`${quote(text)} cannot be quoted for nginx`)
  return `'${text}'`
}
