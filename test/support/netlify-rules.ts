/*
 * What Netlify's documentation says of `_headers` and `_redirects` ("Custom headers", "Redirects and rewrites", "Redirect options", "Rewrites and proxies"), as
 * functions. Where it is silent (whether header rules see the path that is asked for or the rewritten one, and what two rules for one header make), both are
 * looked at, and what would depend on the answer is an error.
 */

/** A published site. */
export interface Site {
  readonly headers: string
  readonly redirects: string
  /** The files by path, from "/" on; rule files are not among them. */
  readonly files: ReadonlySet<string>
}

/** Which path header rules are matched with. */
export type HeaderPath = 'asked' | 'rewritten'

/** What a client gets. */
export interface SiteAnswer {
  readonly status: number
  /** The file that is sent; undefined where there is not even a page for what is missing. */
  readonly file: string | undefined
  /** The headers that rules add, names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** Answers a request for a decoded path. */
export function answerOf(site: Site, path: string, headerPath: HeaderPath): SiteAnswer {
  const { status, file } = findFile(site, path)
  const seen = headerPath === 'asked' ? path : (file ?? path)
  return { status, file, headers: file === undefined ? {} : headersFor(parseHeaders(site.headers), seen) }
}

/** One block of `_headers`. */
export interface HeaderRule {
  readonly path: string
  readonly values: Readonly<Record<string, string>>
}

/** Parses `_headers`: a path, then its headers, indented; a line that begins with "#" is a comment. */
export function parseHeaders(text: string): readonly HeaderRule[] {
  const rules: { path: string; values: Record<string, string> }[] = []
  for (const line of contentLines(text)) {
    const rule = rules.at(-1)
    const colon = line.indexOf(':')
    if (line.startsWith('/')) rules.push({ path: line, values: {} })
    else if (rule === undefined || colon < 1) throw new Error(`not a header: ${line}`)
    else {
      const name = line.slice(0, colon)
      if (name in rule.values) throw new Error(`${name} twice for ${rule.path}`)
      rule.values[name] = line.slice(colon + 1).trim()
    }
  }
  return rules
}

/** The headers that rules add at a path. @throws Error where two rules say different things. */
export function headersFor(rules: readonly HeaderRule[], path: string): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const rule of rules) {
    if (matchPath(rule.path, path, { caseless: true }) === undefined) continue
    for (const [spelled, value] of Object.entries(rule.values)) {
      const name = spelled.toLowerCase()
      if (IGNORED.has(name)) throw new Error(`${spelled} is not for rules to set`)
      if (headers[name] !== undefined && headers[name] !== value)
        throw new Error(`two rules for ${spelled} at ${path}: ${headers[name]} and ${value}`)
      headers[name] = value
    }
  }
  return headers
}

/** One line of `_redirects`. */
export interface RedirectRule {
  readonly from: string
  readonly to: string
  readonly status: number
  /** Whether it goes before a file that is there (`200!`). */
  readonly force: boolean
}

/** Parses `_redirects`: from, to, status, which is 301 where none is given. */
export function parseRedirects(text: string): readonly RedirectRule[] {
  return contentLines(text).map(line => {
    const [from = '', to = '', status = '301', ...others] = line.split(/\s+/)
    if (!from.startsWith('/') || !to.startsWith('/') || !/^\d{3}!?$/.test(status) || others.length > 0)
      throw new Error(`not a redirect: ${line}`)
    return { from, to, status: Number(status.slice(0, 3)), force: status.endsWith('!') }
  })
}

function findFile({ redirects, files }: Site, path: string): { readonly status: number; readonly file?: string } {
  const rules = parseRedirects(redirects)
  const there = fileAt(files, path)
  for (const { from, to, status, force } of rules) {
    const captures = matchPath(from, path, { caseless: false })
    if (captures === undefined || (there !== undefined && !force)) continue
    if (status !== 200 && status !== 404)
      throw new Error(`${path} is redirected, which clients of a registry may not follow`)
    const file = fileAt(files, fill(to, captures))
    if (file !== undefined) return { status, file }
    break
  }
  if (there !== undefined) return { status: 200, file: there }
  return files.has('/404.html') ? { status: 404, file: '/404.html' } : { status: 404 }
}

/** The file of a path: itself, or the page that it stands for. */
function fileAt(files: ReadonlySet<string>, path: string): string | undefined {
  const bare = path.replace(/\/$/, '')
  return [path, `${bare}.html`, `${bare}/index.html`].find(file => files.has(file))
}

/** What a rule's path captures of another; undefined where they do not match. A slash at the end makes no difference. */
function matchPath(
  rule: string,
  path: string,
  { caseless }: { readonly caseless: boolean },
): ReadonlyMap<string, string> | undefined {
  const wanted = partsOf(rule)
  const parts = partsOf(path)
  const captures = new Map<string, string>()
  for (const [index, part] of wanted.entries()) {
    if (part === '*') {
      if (index !== wanted.length - 1) throw new Error(`${rule}: "*" is documented for the end only`)
      return captures.set('splat', parts.slice(index).join('/'))
    }
    if (part.includes('*')) throw new Error(`${rule}: "*" is a part of its own`)
    const found = parts[index]
    if (found === undefined) return undefined
    if (part.startsWith(':')) captures.set(part.slice(1), found)
    else if (caseless ? part.toLowerCase() !== found.toLowerCase() : part !== found) return undefined
  }
  return parts.length === wanted.length ? captures : undefined
}

function fill(to: string, captures: ReadonlyMap<string, string>): string {
  return to
    .split('/')
    .map(part => (part.startsWith(':') ? (captures.get(part.slice(1)) ?? part) : part))
    .join('/')
}

function partsOf(path: string): readonly string[] {
  return path.split('/').filter(part => part !== '')
}

function contentLines(text: string): readonly string[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
}

/** Headers that rules are documented not to set. */
const IGNORED = new Set([
  ...['accept-ranges', 'age', 'allow', 'alt-svc', 'connection', 'content-encoding', 'content-length', 'content-range'],
  ...['date', 'location', 'server', 'set-cookie', 'trailer', 'transfer-encoding', 'upgrade'],
])
