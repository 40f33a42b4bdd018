import { homedir } from 'node:os'
import { join } from 'node:path'
import { isRegistrishError, RegistrishError } from '../errors.ts'
import { DOCKER_HUB } from '../oci/reference.ts'
import { type AuthFile, type Credentials, HUB_KEYS, parseAuthFile, readAuthFile } from './auth-file.ts'
import { askHelper } from './credential-helper.ts'
import type { Environment } from './proxy.ts'

/** Where credentials are looked for. */
export interface CredentialOptions {
  /** The one file to look in, whatever the environment says. */
  readonly authFile?: string
  /** Default `process.env`. */
  readonly env?: Environment
  /** Default: the user's. */
  readonly home?: string
}

/** What a search came to. */
export interface FoundCredentials {
  /** Absent: none, so the registry is asked anonymously. */
  readonly credentials?: Credentials
  /** Where was looked, for messages. */
  readonly places: readonly string[]
}

/** Finds credentials. */
export interface CredentialFinder {
  /**
   * Those for a repository of a registry (`docker.io`, `host:port`), each file read and each helper asked once.
   * @throws RegistrishError `usage`, `io`, `tool-missing` or `tool-failed` for a file or helper that is broken, or a named file that is not there.
   */
  find(registry: string, repository: string): Promise<FoundCredentials>
  /** Reads the file that `--authfile` names, so that a missing one is noticed even where no registry asks. @throws RegistrishError as {@link find}. */
  check(): Promise<void>
}

/**
 * Makes a {@link CredentialFinder}. `--authfile` stands alone; else, the first place that has any wins: `DOCKER_AUTH_CONFIG`, `REGISTRY_AUTH_FILE`, Docker's
 * `config.json`, podman's `auth.json`. Within a file: the registry's helper, the helper for all, the entry whose key is longest (podman's may name a namespace).
 */
export function createCredentialFinder(options: CredentialOptions = {}): CredentialFinder {
  const env = options.env ?? process.env
  const places = placesOf(options, env)
  const answers = new Map<string, Promise<Credentials | undefined>>()
  const ask = async (name: string, key: string, configuration: string): Promise<Credentials | undefined> => {
    const question = `${name} ${key}`
    const answer = answers.get(question) ?? askHelper({ name, key, configuration, env })
    answers.set(question, answer)
    return answer
  }
  return {
    async find(registry, repository) {
      const names = places.map(place => place.name)
      for (const place of places) {
        const file = await place.read()
        const credentials = file === undefined ? undefined : await findIn(file, { registry, repository, ask })
        if (credentials !== undefined) return { credentials, places: names }
      }
      return { places: names }
    },
    async check() {
      if (options.authFile !== undefined) await places[0]?.read()
    },
  }
}

interface Place {
  readonly name: string
  /** undefined where there is no such file. */
  read(): Promise<AuthFile | undefined>
}

function placesOf({ authFile, home = homedir() }: CredentialOptions, env: Environment): readonly Place[] {
  if (authFile !== undefined) return [place(authFile, async () => readNamed(authFile))]
  const inline = env['DOCKER_AUTH_CONFIG'] ?? ''
  const variable = 'the variable DOCKER_AUTH_CONFIG'
  const { REGISTRY_AUTH_FILE: named = '', DOCKER_CONFIG: docker = '', XDG_RUNTIME_DIR: runtime = '' } = env
  const files = [
    ...(named === '' ? [] : [named]),
    join(docker === '' ? join(home, '.docker') : docker, 'config.json'),
    ...(runtime === '' ? [] : [join(runtime, 'containers', 'auth.json')]),
    join(home, '.config', 'containers', 'auth.json'),
  ]
  return [
    ...(inline === '' ? [] : [place(variable, async () => parseAuthFile(inline, variable))]),
    ...files.map(file => place(file, async () => readAuthFile(file))),
  ]
}

/** A place that is read when it is first looked into, and once. */
function place(name: string, load: () => Promise<AuthFile | undefined>): Place {
  let reading: Promise<AuthFile | undefined> | undefined
  return {
    name,
    async read() {
      reading ??= load()
      return reading
    },
  }
}

async function readNamed(path: string): Promise<AuthFile> {
  const file = await readAuthFile(path)
  if (file !== undefined) return file
  throw new RegistrishError('usage', `there is no credentials file ${path}`, {
    side: 'source',
    hint: 'check the path given with --authfile; docker login and podman login --authfile write such files',
  })
}

interface Search {
  readonly registry: string
  readonly repository: string
  readonly ask: (name: string, key: string, configuration: string) => Promise<Credentials | undefined>
}

async function findIn(file: AuthFile, { registry, repository, ask }: Search): Promise<Credentials | undefined> {
  const helper = file.helpers.get(registry) ?? file.store
  if (helper !== undefined) {
    for (const key of registry === DOCKER_HUB ? HUB_KEYS : [registry]) {
      const credentials = await ask(helper, key, file.origin)
      if (credentials !== undefined) return credentials
    }
  }
  const parts = `${registry}/${repository}`.split('/')
  for (let length = parts.length; length > 0; length -= 1) {
    const credentials = file.auths.get(parts.slice(0, length).join('/'))
    if (isRegistrishError(credentials)) throw credentials
    if (credentials !== undefined) return credentials
  }
  return undefined
}
