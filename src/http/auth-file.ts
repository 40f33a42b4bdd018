import { readFile } from 'node:fs/promises'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import { DOCKER_HUB } from '../oci/reference.ts'

/** How to prove who is asking. `origin` says where it was found, for messages; nothing else of it may ever be printed. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string; readonly origin: string }
  /** An OAuth2 refresh token: `identitytoken`, or what a helper gives for the user `<token>`. */
  | { readonly kind: 'identity'; readonly username: string; readonly token: string; readonly origin: string }
  /** A token to be sent to the registry as it is: `registrytoken`. */
  | { readonly kind: 'bearer'; readonly token: string; readonly origin: string }

/** The keys under which Docker and podman keep Docker Hub's credentials; the first is what Docker's helpers are asked for. */
export const HUB_KEYS: readonly string[] = ['https://index.docker.io/v1/', 'docker.io']

/** A credentials file of Docker (`config.json`) or podman (`auth.json`), or the value of `DOCKER_AUTH_CONFIG`. */
export interface AuthFile {
  /** Its path or variable, for messages. */
  readonly origin: string
  /** Entries by normal key, see {@link normalKey}; a broken one gives its error, which concerns only those who need it. */
  readonly auths: ReadonlyMap<string, Credentials | RegistrishError>
  /** Names of helpers by normal key. */
  readonly helpers: ReadonlyMap<string, string>
  /** The helper for every registry without one of its own. */
  readonly store?: string
}

/**
 * Reads a credentials file; undefined where there is none.
 * @throws RegistrishError `usage` where it is broken, `io` where it cannot be read. Its content is never repeated.
 */
export async function readAuthFile(path: string): Promise<AuthFile | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw fileError(error, 'read the credentials in', path, 'source')
  }
  return parseAuthFile(text, path)
}

/** Parses the text of a credentials file. @throws RegistrishError `usage`. */
export function parseAuthFile(text: string, origin: string): AuthFile {
  if (text.trim() === '') return { origin, auths: new Map(), helpers: new Map() }
  const body = parseObject(text, origin)
  const auths = new Map<string, Credentials | RegistrishError>()
  for (const [key, entry] of entriesOf(body['auths'], 'auths', origin)) {
    const credentials = parseEntry(entry, key, origin)
    if (credentials !== undefined) auths.set(normalKey(key), credentials)
  }
  const helpers = new Map<string, string>()
  for (const [key, name] of entriesOf(body['credHelpers'], 'credHelpers', origin)) {
    if (typeof name !== 'string') throw broken(origin, `"credHelpers" of ${key} is no name`)
    if (name !== '') helpers.set(normalKey(key), name)
  }
  const store = body['credsStore']
  return { origin, auths, helpers, ...(typeof store === 'string' && store !== '' ? { store } : {}) }
}

/**
 * The normal form of a key: `host[:port]`, or podman's `host[:port]/path` for one namespace or repository. Docker also writes `https://host` and
 * `https://host/v1/`, where only the host counts. All names of Docker Hub are docker.io.
 */
function normalKey(key: string): string {
  const scheme = /^https?:\/\//i.exec(key)?.[0] ?? ''
  const bare = key
    .slice(scheme.length)
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '')
  const slash = bare.indexOf('/')
  const host = (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase()
  const known = HUB_HOSTS.has(host) ? DOCKER_HUB : host
  return slash < 0 || scheme !== '' ? known : `${known}${bare.slice(slash)}`
}

const HUB_HOSTS = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/** Parses one entry of `auths`; entries that a helper has taken over are empty. `auth` is base64 of `user:password`, padded with NULs by old versions. */
function parseEntry(entry: unknown, key: string, origin: string): Credentials | RegistrishError | undefined {
  if (entry === null) return undefined
  if (!isRecord(entry)) return broken(origin, `the entry of ${key} is no object`)
  const [identity, bearer, auth] = [text(entry, 'identitytoken'), text(entry, 'registrytoken'), text(entry, 'auth')]
  const pair = auth === '' ? `${text(entry, 'username')}:${text(entry, 'password')}` : decode(auth)
  const colon = pair.indexOf(':')
  if (bearer !== '') return { kind: 'bearer', token: bearer, origin }
  if (identity !== '') return { kind: 'identity', username: pair.slice(0, Math.max(0, colon)), token: identity, origin }
  if (pair === ':') return undefined
  if (colon <= 0) return broken(origin, `"auth" of ${key} is not base64 of user:password`)
  return { kind: 'password', username: pair.slice(0, colon), password: pair.slice(colon + 1), origin }
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8').replace(/\0+$/, '')
}

function text(entry: Readonly<Record<string, unknown>>, key: string): string {
  const value = entry[key]
  return typeof value === 'string' ? value : ''
}

function entriesOf(value: unknown, name: string, origin: string): readonly (readonly [string, unknown])[] {
  if (value === undefined || value === null) return []
  if (!isRecord(value)) throw broken(origin, `"${name}" is no object`)
  return Object.entries(value)
}

/** JSON.parse quotes what it stumbles over, which may be a password: its own message is dropped. */
function parseObject(json: string, origin: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw broken(origin, 'it is not JSON')
  }
  if (!isRecord(value)) throw broken(origin, 'it is no JSON object')
  return value
}

function broken(origin: string, reason: string): RegistrishError {
  return new RegistrishError('usage', `the credentials in ${origin} cannot be read: ${reason}`, {
    side: 'source',
    hint: 'mend or remove it and log in again (docker login, podman login), or name another file with --authfile',
  })
}
