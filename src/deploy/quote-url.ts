import { quote } from '../oci/digest.ts'

/** What a user gave in a place where URLs are given, quoted without the user, password and query that may stand in it, secrets all: messages end up in logs. */
export function quoteUrl(text: string): string {
  // All up to the last "@": a password that is not escaped may hold whatever else ends the part of a URL that it stands in.
  return quote(text.replace(/^([a-z][a-z0-9+.-]*:[/\\]+)?.*@/is, '$1').replace(/[?#].*$/s, ''))
}
