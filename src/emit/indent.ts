/** Every line that is not empty, four spaces further, or whatever else is given. */
export function indent(text: string, by = '    '): string {
  return text.replace(/^(?=.)/gm, by)
}
