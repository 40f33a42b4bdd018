/**
 * Every failure that registrish reports, as a closed list.
 * - `usage`: the command line or an option makes no sense · `name-invalid`: a repository, tag, digest or media type breaks its grammar or cannot be held
 * - `not-found`: the source has no such thing · `unauthorized`: credentials are missing, wrong or too weak · `rate-limited`: the source wants us to come back later
 * - `unreachable`: no connection, or it broke too often · `timeout`: connected, but silent · `bad-answer`: an answer that breaks its protocol
 * - `digest-mismatch`, `size-mismatch`: the bytes are not those that were asked for · `manifest-invalid`: a manifest that breaks the image spec
 * - `unsupported`: well-formed, but registrish does not handle it · `conflict`: what is there already forbids it
 * - `incomplete`: a graph in the tree lacks a part · `locked`: another process holds the tree, or changes it all the time · `no-space`: the disk is full · `io`: any other file system error
 * - `tool-missing`: an external program is absent · `tool-failed`: it ran and failed · `limit`: beyond what a static host can hold · `aborted`: interrupted by the caller
 */
export type ErrorCode =
  | 'usage'
  | 'name-invalid'
  | 'not-found'
  | 'unauthorized'
  | 'rate-limited'
  | 'unreachable'
  | 'timeout'
  | 'bad-answer'
  | 'digest-mismatch'
  | 'size-mismatch'
  | 'manifest-invalid'
  | 'unsupported'
  | 'conflict'
  | 'incomplete'
  | 'locked'
  | 'no-space'
  | 'io'
  | 'tool-missing'
  | 'tool-failed'
  | 'limit'
  | 'aborted'

/** Where it failed: the side that is read from, or the side that is written to. */
export type Side = 'source' | 'target'

/** What a {@link RegistrishError} carries besides its message. */
export interface ErrorDetails {
  /** The way out, as a sentence for the user. */
  readonly hint?: string
  readonly side?: Side
  readonly cause?: unknown
  /** For `rate-limited`: milliseconds since the epoch when the source may be asked again. */
  readonly retryAt?: number
}

/** The one error class: one sentence that says what failed and where, a code for programs, a hint for people. */
export class RegistrishError extends Error {
  readonly code: ErrorCode
  readonly hint?: string
  readonly side?: Side
  readonly retryAt?: number

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'RegistrishError'
    this.code = code
    if (details.hint !== undefined) this.hint = details.hint
    if (details.side !== undefined) this.side = details.side
    if (details.retryAt !== undefined) this.retryAt = details.retryAt
  }
}

/** Whether a thrown value is a {@link RegistrishError}, of one of the codes where any are named. */
export function isRegistrishError(error: unknown, ...codes: readonly ErrorCode[]): error is RegistrishError {
  return error instanceof RegistrishError && (codes.length === 0 || codes.includes(error.code))
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`…), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Translates a failed file operation on `path` into a {@link RegistrishError} of the target side; ours pass through unchanged. */
export function fileError(error: unknown, doing: string, path: string, side: Side = 'target'): RegistrishError {
  if (isRegistrishError(error)) return error
  const code = systemCode(error)
  const reason = FILE_REASONS[code ?? '']
  if (reason === undefined) {
    return new RegistrishError('io', `cannot ${doing} ${path}: ${messageOf(error)}`, { side, cause: error })
  }
  return new RegistrishError(reason.code, `cannot ${doing} ${path}: ${reason.text}`, {
    side,
    cause: error,
    hint: reason.hint,
  })
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The error that an aborted operation throws. */
export function abortedError(cause?: unknown): RegistrishError {
  return new RegistrishError('aborted', 'interrupted', cause === undefined ? {} : { cause })
}

/** Throws if a signal is aborted. @throws RegistrishError `aborted`. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal.reason)
}

const FILE_REASONS: Readonly<
  Record<string, { readonly code: ErrorCode; readonly text: string; readonly hint: string }>
> = {
  ENOSPC: {
    code: 'no-space',
    text: 'no space left on the device',
    hint: 'free some space (or, where df -i shows that they are used up, inodes) and run the same command again: what was downloaded is kept and resumed',
  },
  EDQUOT: {
    code: 'no-space',
    text: 'the disk quota is used up',
    hint: 'free some space and run the same command again: what was downloaded is kept and resumed',
  },
  EACCES: {
    code: 'io',
    text: 'permission denied',
    hint: 'run as the owner of that folder, or choose another one with --root',
  },
  EROFS: { code: 'io', text: 'the file system is read-only', hint: 'choose a folder that can be written with --root' },
  EMFILE: { code: 'io', text: 'too many open files', hint: 'raise the limit (ulimit -n) or lower --jobs' },
}
