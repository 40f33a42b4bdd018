import type { ErrorCode } from '../errors.ts'

/** Exit codes, a stable part of the interface (docs/errors.md). */
export const EXIT = {
  done: 0,
  failed: 1,
  /** verify found problems; plan, where it was asked to tell, differences. */
  problems: 2,
  /** Some of several images failed. */
  partly: 3,
  rateLimited: 4,
  notFound: 5,
  usage: 64,
  interrupted: 130,
} as const

/** The exit code of a failure. */
export function exitCodeOf(code: ErrorCode): number {
  if (code === 'usage' || code === 'name-invalid') return EXIT.usage
  if (code === 'rate-limited') return EXIT.rateLimited
  if (code === 'not-found') return EXIT.notFound
  if (code === 'aborted') return EXIT.interrupted
  return EXIT.failed
}
