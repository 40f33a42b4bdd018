import { quote } from '../oci/digest.ts'

/** A string of Lua's. */
export function luaString(text: string): string {
  if (/[\x00-\x1f\x7f]/.test(text)) throw new TypeError(`${quote(text)} cannot be quoted for Lua`)
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** A list of Lua's, of expressions. */
export function luaList(expressions: readonly string[]): string {
  return expressions.length === 0 ? '{}' : `{\n${expressions.map(text => `    ${text},\n`).join('')}}`
}

/** A table of Lua's, of expressions by key. */
export function luaTable(entries: Readonly<Record<string, string>>): string {
  return luaList(Object.entries(entries).map(([key, expression]) => `[${luaString(key)}] = ${expression}`))
}
