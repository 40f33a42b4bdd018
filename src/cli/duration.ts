import { RegistrishError } from '../errors.ts'
import { textOf } from './arguments.ts'
import type { Arguments } from './command.ts'

const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 }

/** A span of time in ms: `30m`, `2d`, `1h30m`. A number needs its unit, since seconds, hours and days are all likely; 0 does not. @throws RegistrishError `usage`. */
export function durationOf(args: Arguments, name: string): number | undefined {
  const text = textOf(args, name)
  if (text === undefined || text === '0') return text === undefined ? undefined : 0
  const parts = /^(?:\d{1,6}[dhms])+$/.test(text) ? [...text.matchAll(/(\d+)([dhms])/g)] : []
  const units = parts.map(([, , unit = '']) => unit).join('')
  if (parts.length > 0 && /^d?h?m?s?$/.test(units))
    return parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (UNITS[unit] ?? 0), 0)
  throw new RegistrishError('usage', `--${name} takes a time with its unit, not "${text}"`, {
    hint: /^\d+$/.test(text)
      ? `write --${name} ${text}s, ${text}m, ${text}h or ${text}d`
      : 'for example 30m, 24h or 2d',
  })
}

/** A span of time for people, in whole units: `24 h`, `2 d`, `90 min`. */
export function formatSpan(milliseconds: number): string {
  const fits = (unit: number, least: number): boolean => milliseconds % unit === 0 && milliseconds >= least * unit
  if (fits(86_400_000, 2)) return `${milliseconds / 86_400_000} d`
  if (fits(3_600_000, 1)) return `${milliseconds / 3_600_000} h`
  if (fits(60_000, 1)) return `${milliseconds / 60_000} min`
  return `${Math.round(milliseconds / 1000)} s`
}
