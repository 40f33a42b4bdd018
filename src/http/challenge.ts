/** One way of authentication that a server offers: the scheme in lower case, parameters by lower-case name. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

/**
 * Parses `WWW-Authenticate` (RFC 9110 §11.6.1): several challenges in one header or several joined by commas, values quoted or, as some registries
 * send them, not. What cannot be read is skipped.
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  for (const { groups } of (header ?? '').slice(0, LONGEST).matchAll(PARTS)) {
    const { name, quoted, bare, scheme } = groups ?? {}
    const last = challenges.at(-1)
    if (name !== undefined) {
      const value = quoted === undefined ? (bare ?? '') : quoted.replace(/\\(.)/g, '$1')
      if (last !== undefined) last.parameters[name.toLowerCase()] ??= value
    } else if (scheme !== undefined) {
      challenges.push({ scheme: scheme.toLowerCase(), parameters: {} })
    }
  }
  return challenges
}

/** A parameter `name=value`, or a scheme: a token that no "=" follows and that begins a challenge. */
const PARTS =
  /(?<name>[\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<bare>[^\s,"]*))|(?<scheme>[A-Za-z][\w-]*)(?=\s|,|$)/g

/** What is read of a header, in characters, so that a hostile one costs nothing. */
const LONGEST = 8192
