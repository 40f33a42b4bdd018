/** A word of the shell: as it is where nothing in it means more than itself, else quoted. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_/.,:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
