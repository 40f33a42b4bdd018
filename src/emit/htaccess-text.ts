import { quote } from '../oci/digest.ts'

/** Variables of a request: what is served and under which digest; the body of an answer that is in no file, and its type. */
export const KIND = 'REGISTRISH'
export const DIGEST = 'REGISTRISH_DIGEST'
export const BODY = 'REGISTRISH_BODY'
export const TYPE = 'REGISTRISH_TYPE'

/** The tag behind which a list goes on. */
export const LAST = 'REGISTRISH_LAST'

/** A string that Apache takes as it is, as the value of a directive and as what a rule tests. */
export function literal(text: string): string {
  return `'${plain(text)}'`
}

/** Text that means itself between single quotation marks: no variable, no back-reference, no escape. */
export function plain(text: string): string {
  if (/['\\%$\n]/.test(text)) throw new TypeError(`${quote(text)} cannot be quoted for Apache`)
  return text
}
