import { indent } from './indent.ts'

/** An argument of any directive but mod_rewrite's. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** An argument of RewriteRule and RewriteCond, which know no escapes: `\x22` is a quotation mark in a pattern. */
export function argument(text: string): string {
  if (/["\n]/.test(text)) throw new TypeError(`mod_rewrite cannot be told ${JSON.stringify(text)}`)
  return `"${text}"`
}

/** A section, `<Name argument>`. */
export function section(name: string, subject: string, lines: readonly string[]): string {
  return `<${name} ${subject}>\n${indent(lines.join('\n'))}\n</${name}>\n`
}

/** Stops a server that lacks a module, with a sentence that says what to do. */
export function requireModules(): string {
  const wayOut = quoted('registrish needs mod_headers and mod_rewrite: a2enmod headers rewrite, or LoadModule')
  return ['headers', 'rewrite'].map(name => section('IfModule', `!mod_${name}.c`, [`Error ${wayOut}`])).join('')
}
