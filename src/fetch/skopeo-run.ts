import { abortedError, RegistrishError } from '../errors.ts'
import { explainSkopeo, type SkopeoFailure } from './skopeo-errors.ts'

/** How skopeo is run. */
export interface SkopeoRunOptions {
  /** The program. Default `skopeo`. */
  readonly command?: string
  /** Credentials file, instead of those that skopeo finds by itself. */
  readonly authfile?: string
  /** `false` takes plain HTTP and any certificate. Default true. */
  readonly tlsVerify?: boolean
  /** Folder with certificates (`*.crt`, `*.cert`, `*.key`), see containers-certs.d(5). */
  readonly certDir?: string
  /** How often skopeo tries again. Default 3. */
  readonly retryTimes?: number
  /** Folder for skopeo's own temporary files. */
  readonly temporary?: string
  readonly signal?: AbortSignal
}

/** What a run of skopeo gave: its standard output, or why it failed. */
export type SkopeoResult = { readonly ok: true; readonly output: Uint8Array } | ({ readonly ok: false } & SkopeoFailure)

/**
 * Runs skopeo without a shell. `doing` begins the message of a failure.
 * @throws RegistrishError `tool-missing`, or `aborted` once it has been stopped.
 */
export async function runSkopeo(
  args: readonly string[],
  doing: string,
  options: SkopeoRunOptions,
): Promise<SkopeoResult> {
  if (options.signal?.aborted === true) throw abortedError(options.signal.reason)
  const { execa } = await import('execa')
  const { command = 'skopeo', temporary, signal } = options
  const result = await execa(command, [...(temporary === undefined ? [] : ['--tmpdir', temporary]), ...args], {
    stdin: 'ignore',
    encoding: 'buffer',
    stripFinalNewline: false,
    reject: false,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  })
  if (!result.failed) return { ok: true, output: result.stdout }
  if (result.isCanceled) throw abortedError(signal?.reason)
  if (result.code === 'ENOENT' || result.code === 'EACCES') throw missing(command, result.cause)
  return { ok: false, ...explainSkopeo(new TextDecoder().decode(result.stderr), doing, result.cause) }
}

/** The options of `skopeo copy`, `inspect` and `list-tags` that say how a source is reached; `copy` spells some of them `--src-…`. */
export function sourceFlags(options: SkopeoRunOptions, prefix: '' | 'src-'): readonly string[] {
  const { authfile, tlsVerify = true, certDir, retryTimes = 3 } = options
  return [
    '--retry-times',
    String(retryTimes),
    ...(authfile === undefined ? [] : [`--${prefix}authfile`, authfile]),
    ...(tlsVerify ? [] : [`--${prefix}tls-verify=false`]),
    ...(certDir === undefined ? [] : [`--${prefix}cert-dir`, certDir]),
  ]
}

function missing(command: string, cause: unknown): RegistrishError {
  return new RegistrishError('tool-missing', `${command} cannot be run: it is not installed, or not on the PATH`, {
    hint: 'install it (apt-get install skopeo, dnf install skopeo, brew install skopeo), or leave out --via skopeo',
    cause,
  })
}
