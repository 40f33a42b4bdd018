import { RegistrishError } from '../errors.ts'
import type { Arguments } from './command.ts'

/** A text flag or positional, or undefined. Given twice, the last one counts. @throws RegistrishError `usage` where it is empty. */
export function textOf(args: Arguments, name: string): string | undefined {
  const value = args[name]
  const last: unknown = Array.isArray(value) ? value.at(-1) : value
  if (last === undefined) return undefined
  if (last === '') throw new RegistrishError('usage', `--${name} needs a value`)
  return String(last)
}

/** A positional, or undefined. @throws RegistrishError `usage` where it is empty. */
export function positionalOf(args: Arguments, name: string): string | undefined {
  if (args[name] === '') throw new RegistrishError('usage', `<${name}> is empty`)
  return textOf(args, name)
}

/** A text that must be there; `fallback` where it is not. */
export function textOr(args: Arguments, name: string, fallback: string): string {
  return textOf(args, name) ?? fallback
}

/** All values of a repeated flag, comma lists taken apart, or of a variadic positional. */
export function listOf(
  args: Arguments,
  name: string,
  { commas = false }: { readonly commas?: boolean } = {},
): readonly string[] {
  const value = args[name]
  const all = (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(String)
  return commas
    ? all
        .flatMap(text => text.split(','))
        .map(text => text.trim())
        .filter(text => text !== '')
    : all
}

/** A switch. */
export function isOn(args: Arguments, name: string): boolean {
  const value = args[name]
  return (Array.isArray(value) ? value.at(-1) : value) === true
}

/** A whole number of at least `least`. @throws RegistrishError `usage`. */
export function wholeNumberOf(args: Arguments, name: string, least: number): number | undefined {
  const text = textOf(args, name)
  if (text === undefined) return undefined
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new RegistrishError('usage', `--${name} takes a whole number of at least ${least}, not "${text}"`)
}
