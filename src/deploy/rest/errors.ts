import { type ErrorCode, isRegistrishError, messageOf, RegistrishError } from '../../errors.ts'
import { isTransient } from '../../http/network-error.ts'
import { describeStatus } from '../../http/status.ts'
import { type Refusal, refusalBehind } from '../refusal.ts'

/** What a refusal means to the user. */
export interface Meaning {
  readonly code: ErrorCode
  /** Default: what the store says. */
  readonly text?: string
  readonly hint: string
}

/** What one store has words of its own for. */
export interface Words {
  /** `gs://bucket`. */
  readonly title: string
  /** Where to look when something else answers, or nobody: `check --gcs-endpoint`. */
  readonly astray: string
  /** What a refusal means there; undefined where the status alone says it. */
  readonly explain: (refusal: Refusal) => Meaning | undefined
}

/** Translates whatever a request to a store failed with into a {@link RegistrishError} of side `target`; what is about the source stays so. `doing`: as after "cannot". */
export function restError(error: unknown, doing: string, words: Words): RegistrishError {
  if (isRegistrishError(error)) return isNetwork(error) ? unreachable(error, doing, words) : error
  const refusal = refusalBehind(error)
  if (refusal === undefined) return strangeAnswer(doing, words, messageOf(error), error)
  const { code, hint, text = said(refusal) } = words.explain(refusal) ?? byStatus(refusal, words)
  return new RegistrishError(code, `cannot ${doing} in ${words.title}: ${text}`, {
    side: code === 'digest-mismatch' ? 'source' : 'target',
    hint,
    cause: error,
  })
}

/** The error for an answer that the store's documentation does not know. */
export function strangeAnswer(doing: string, words: Words, what: string, cause?: unknown): RegistrishError {
  return new RegistrishError('bad-answer', `cannot ${doing} in ${words.title}: ${what}`, {
    side: 'target',
    hint: `${words.astray}, and whether a login page or proxy of this network answers in its place`,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** What the store says, in its words. */
export function said({ status, text, foreign }: Refusal): string {
  if (foreign !== undefined) {
    return `something else answers ${describeStatus(status)}${foreign === '' ? '' : ` (${foreign})`}`
  }
  return text === '' ? describeStatus(status) : `${describeStatus(status)}: ${text}`
}

/** What to do after a failure that is over soon. */
export const AGAIN = 'run the same command again: what was sent is not sent again'

function byStatus({ status, foreign }: Refusal, { astray }: Words): Meaning {
  if (foreign !== undefined && status < 500 && status !== 429) return { code: 'bad-answer', hint: astray }
  if (status === 401 || status === 403) return { code: 'unauthorized', hint: astray }
  if (status === 404) return { code: 'not-found', hint: astray }
  if (status === 413) return { code: 'limit', hint: 'the store holds no objects of that size' }
  if (status === 429) return { code: 'rate-limited', hint: 'run the same command again later, or lower --jobs' }
  if (status === 507) return { code: 'no-space', hint: `make room in the store, then ${AGAIN}` }
  return status >= 500 || status === 408 ? { code: 'unreachable', hint: AGAIN } : { code: 'bad-answer', hint: astray }
}

function isNetwork(error: RegistrishError): boolean {
  return error.side !== 'target' && (error.code === 'unreachable' || error.code === 'timeout')
}

/** `src/http` speaks of sources; the ways out are others here. */
function unreachable(error: RegistrishError, doing: string, { title, astray }: Words): RegistrishError {
  const { cause, code, message } = error
  const isRefused = /ECONNREFUSED|ENOTFOUND/.test(messageOf(cause))
  const hint = isRefused ? `${astray}, then ${AGAIN}` : isTransient(error, true) ? AGAIN : error.hint
  return new RegistrishError(code, `cannot ${doing} in ${title}: ${message}`, {
    side: 'target',
    cause,
    ...(hint === undefined ? {} : { hint }),
  })
}
