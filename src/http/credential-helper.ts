import { RegistrishError, systemCode } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import type { Credentials } from './auth-file.ts'
import type { Environment } from './proxy.ts'

/** Which helper is asked for what. */
export interface HelperRequest {
  /** The name in the configuration: `docker-credential-<name>` is run. */
  readonly name: string
  /** What is asked for: a host, or Docker Hub's `https://index.docker.io/v1/`. */
  readonly key: string
  /** The file that names the helper, for messages. */
  readonly configuration: string
  readonly env: Environment
}

/** Longest time a helper may take, in ms: some ask the user or a cloud. */
const PATIENCE = 60_000

/**
 * Asks a credential helper, by its protocol (github.com/docker/docker-credential-helpers): `get`, the key on stdin, JSON on stdout. undefined where it has
 * none for that key.
 * @throws RegistrishError `tool-missing` or `tool-failed`. What a helper prints may be a secret: only its complaint is repeated.
 */
export async function askHelper({ name, key, configuration, env }: HelperRequest): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`
  if (!/^[\w.-]+$/.test(name)) throw failed(program, configuration, 'its name is not that of a program')
  const { execa } = await import('execa')
  const result = await execa(program, ['get'], {
    input: key,
    reject: false,
    timeout: PATIENCE,
    maxBuffer: 1_000_000,
    extendEnv: false,
    env,
  })
  if (systemCode(result) === 'ENOENT') throw missing(program, configuration)
  if (result.timedOut) throw failed(program, configuration, `it did not answer within ${PATIENCE / 1000} s`)
  if (!result.failed) return parseAnswer(result.stdout, program, configuration)
  const complaint = `${result.stdout}\n${result.stderr}`
  if (/credentials not found/i.test(complaint)) return undefined
  throw failed(program, configuration, firstLine(complaint))
}

function parseAnswer(stdout: string, program: string, configuration: string): Credentials {
  const answer = parseJson(stdout)
  if (!isRecord(answer) || typeof answer['Secret'] !== 'string' || answer['Secret'] === '') {
    throw failed(program, configuration, 'it did not answer with credentials')
  }
  const username = typeof answer['Username'] === 'string' ? answer['Username'] : ''
  const secret = answer['Secret']
  const origin = `${program} (named in ${configuration})`
  // A user called "<token>" means that the secret is an identity token.
  if (username === '<token>') return { kind: 'identity', username: '', token: secret, origin }
  return { kind: 'password', username, password: secret, origin }
}

/** undefined where it is no JSON; the parser's message is dropped since it quotes the text. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function firstLine(text: string): string {
  const line = text.split('\n').find(candidate => candidate.trim() !== '') ?? ''
  // Credentials, from a helper that failed after it had printed them, are JSON.
  if (line === '' || /^\s*\{/.test(line)) return 'it gave no reason'
  return line.trim().slice(0, 200)
}

function missing(program: string, configuration: string): RegistrishError {
  return new RegistrishError('tool-missing', `${program}, which ${configuration} names, is not installed`, {
    side: 'source',
    hint: `install it, remove it from ${configuration}, or name another file with --authfile`,
  })
}

function failed(program: string, configuration: string, reason: string): RegistrishError {
  return new RegistrishError('tool-failed', `${program}, which ${configuration} names, failed: ${reason}`, {
    side: 'source',
    hint: `try it: echo HOST | ${program} get; or name another file with --authfile`,
  })
}
