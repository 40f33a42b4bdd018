import type { EmitProblem } from './emitter.ts'

/** Something that a host cannot hold. */
export function refuse(text: string, hint: string): EmitProblem {
  return { level: 'refuse', code: 'limit', text, hint }
}

/** Something that a host holds, and that is to be known. */
export function warn(text: string, hint: string): EmitProblem {
  return { level: 'warn', code: 'limit', text, hint }
}

/** A number for people: `54,000`. */
export function formatNumber(number: number): string {
  return number.toLocaleString('en')
}

/** Bytes for people, rounded up: `3 MB`. */
export function megabytes(bytes: number): string {
  return `${formatNumber(Math.ceil(bytes / 1_000_000))} MB`
}
