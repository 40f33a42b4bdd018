/*
 * What Cloudflare Pages makes of `_headers` and `_redirects`, by its documentation and as its tool was seen to do: for tests without it. That this is right is for
 * test/e2e/cloudflare-pages.test.ts, which asks the tool itself.
 */

/** A rule as it stands in `_headers`. */
interface HeaderRule {
  readonly path: string
  readonly lines: readonly string[]
}

/** Reads `_headers`. */
export function parseHeaderRules(text: string): readonly HeaderRule[] {
  const rules: { readonly path: string; readonly lines: string[] }[] = []
  for (const line of text.split('\n').map(part => part.trim())) {
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('/')) rules.push({ path: line, lines: [] })
    else rules.at(-1)?.lines.push(line)
  }
  return rules
}

/** The headers that all rules together give a path: each rule that matches adds its own, joined with a comma to what an earlier one gave unless it detached that. Names in lower case. */
export function headersAt(rules: readonly HeaderRule[], path: string): Readonly<Record<string, string>> {
  const headers = new Map<string, string>()
  for (const { path: pattern, lines } of rules) {
    const captured = match(pattern, path)
    if (captured === undefined) continue
    for (const line of lines.filter(text => text.startsWith('! '))) headers.delete(line.slice(2).toLowerCase())
    for (const line of lines.filter(text => !text.startsWith('! '))) {
      const name = line.slice(0, line.indexOf(':')).toLowerCase()
      const value = replace(line.slice(line.indexOf(':') + 1).trim(), captured)
      const held = headers.get(name)
      headers.set(name, held === undefined ? value : `${held}, ${value}`)
    }
  }
  return Object.fromEntries(headers)
}

/** Where `_redirects` sends a path, all rules being rewrites: rules for one path come before those with placeholders. */
export function rewrittenPath(text: string, path: string): string {
  const rules = text
    .split('\n')
    .filter(line => line.startsWith('/'))
    .map(line => line.split(' '))
  for (const [from = '', to = '', status] of rules) {
    const captured = match(from, path)
    if (captured !== undefined && status === '200') return replace(to, captured)
  }
  return path
}

/** What the placeholders of a pattern stand for in a path; undefined where it does not match, or is none: of names that come twice Pages makes nothing. */
export function match(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  let source = pattern.split('*').map(escaped).join('(?<splat>.*)')
  for (const [placeholder, name] of source.matchAll(/:([A-Za-z]\w*)/g))
    source = source.split(placeholder).join(`(?<${name}>[^/]+)`)
  try {
    const found = new RegExp(`^${source}$`).exec(path)
    return found === null ? undefined : { ...found.groups }
  } catch {
    return undefined
  }
}

function replace(text: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((result, [name, value]) => result.replaceAll(`:${name}`, value), text)
}

function escaped(text: string): string {
  return text.replace(/[-/\\^$*+?.()|[\]{}]/g, '\\$&')
}
