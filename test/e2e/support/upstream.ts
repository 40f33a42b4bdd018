import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Certificate, makeCertificate } from './certificate.ts'
import { type RegistryRequest, readRequests, settleLog } from './request-log.ts'
import { run } from './run.ts'
import { outputFiles, type ServerProcess, startServerProcess } from './server-process.ts'
import { startTokenServer, type TokenServer, type TokenServerOptions } from './token-server.ts'
import { requireAll, toolPath } from './tools.ts'

/** Where a running registry is: plain data that travels from the global set-up to the test files. */
export interface UpstreamAddress {
  /** `127.0.0.1:PORT`, as in an image reference. */
  readonly host: string
  /** `http://127.0.0.1:PORT` (or https), without a slash at the end. */
  readonly url: string
  /** The access log, in Apache's combined form. */
  readonly logFile: string
  /** The folder that holds `docker/registry/v2`. */
  readonly dataFolder: string
  /** The certificate to trust, where it speaks TLS. */
  readonly caFile: string | undefined
}

/** A real registry, and what it was asked. */
export interface Upstream extends UpstreamAddress {
  /** Marks this moment in the log, for {@link requestsSince}. */
  readonly mark: () => Promise<LogMark>
  /** The requests answered since the mark, in the order in which their answers ended. */
  readonly requestsSince: (mark: LogMark) => Promise<readonly RegistryRequest[]>
}

/** A place in a registry's log. */
interface LogMark {
  readonly offset: number
}

/** A registry that this process started. */
export interface StartedUpstream extends Upstream {
  /** The token server in front of it, where `auth` asks for one. */
  readonly tokenServer: TokenServer | undefined
  /** Ends the registry (and its token server) and removes what it made. Safe to call twice. */
  readonly stop: () => Promise<void>
}

/** Which registry {@link startUpstream} starts. */
export interface UpstreamOptions {
  /** The user whom basic and token authentication know; default: {@link testUser}. */
  readonly auth?: 'none' | 'basic' | 'token'
  /**
   * A filled data folder to serve read-only, as the shared registries do; or `{ writable: folder }` to push into one that
   * the caller keeps. Default: an empty folder of its own, to push to and to break (`crane copy HOST/NAME HOST/NAME` fills it).
   */
  readonly data?: string | { readonly writable: string }
  /** For `auth: 'token'`: how long tokens live, who may what. */
  readonly token?: Partial<Omit<TokenServerOptions, 'certificate' | 'tls'>> & { readonly keyType?: 'ec' | 'rsa' }
  /** Speaks TLS with a certificate of its own (see `caFile`); the token server too. Default false. */
  readonly tls?: boolean
}

/** The one user of the registries with authentication. */
export const testUser = { username: 'tester', password: 'correct horse: battery' } as const

/** What {@link startUpstream} needs for every kind of authentication. */
export const upstreamNeeds = ['docker-registry', 'htpasswd', 'openssl', 'bash'] as const

/** Starts Debian's docker-registry on a free loopback port. It dies with this process, however that ends. */
export async function startUpstream(options: UpstreamOptions = {}): Promise<StartedUpstream> {
  requireAll(upstreamNeeds)
  const folder = await mkdtemp(join(tmpdir(), 'rgu-'))
  const parts: Parts = { folder, tokenServer: undefined, process: undefined }
  try {
    return await startParts(parts, options)
  } catch (error) {
    await stopParts(parts)
    throw error
  }
}

/** Makes a registry that runs already usable from this process. */
export function connectUpstream(address: UpstreamAddress): Upstream {
  return {
    ...address,
    mark: async () => ({ offset: await settleLog(address) }),
    requestsSince: async ({ offset }) => {
      await settleLog(address)
      return readRequests(address.logFile, offset)
    },
  }
}

interface Parts {
  readonly folder: string
  tokenServer: TokenServer | undefined
  process: ServerProcess | undefined
}

async function startParts(parts: Parts, options: UpstreamOptions): Promise<StartedUpstream> {
  const { folder } = parts
  const tls = options.tls === true ? await makeCertificate(folder, { name: 'registry' }) : undefined
  const { dataFolder, readOnly } = await prepareData(folder, options)
  const auth = await prepareAuth(parts, { options, tls })
  const configFile = `${folder}/config.yml`
  await writeFile(configFile, configuration({ dataFolder, readOnly, auth, tls }))
  const files = outputFiles(folder)
  parts.process = await startServerProcess([toolPath('docker-registry'), 'serve', configFile], {
    folder,
    ready: async () => (await listeningHost(files.stderr)) !== undefined,
  })
  const host = (await listeningHost(files.stderr)) ?? ''
  const url = `${tls === undefined ? 'http' : 'https'}://${host}`
  const upstream = connectUpstream({ host, url, logFile: files.stdout, dataFolder, caFile: tls?.certFile })
  return { ...upstream, tokenServer: parts.tokenServer, stop: () => stopParts(parts) }
}

async function stopParts({ folder, tokenServer, process }: Parts): Promise<void> {
  await process?.stop()
  await tokenServer?.stop()
  await rm(folder, { recursive: true, force: true })
}

async function prepareData(
  folder: string,
  { data }: UpstreamOptions,
): Promise<{ readonly dataFolder: string; readonly readOnly: boolean }> {
  if (typeof data === 'string') return { dataFolder: data, readOnly: true }
  const dataFolder = data?.writable ?? `${folder}/data`
  await mkdir(dataFolder, { recursive: true })
  return { dataFolder, readOnly: false }
}

/** The `auth` section of the registry's configuration, with what it names made. */
async function prepareAuth(
  parts: Parts,
  { options, tls }: { readonly options: UpstreamOptions; readonly tls: Certificate | undefined },
): Promise<object | undefined> {
  const { folder } = parts
  if (options.auth === 'basic') {
    const path = `${folder}/htpasswd`
    await run(toolPath('htpasswd'), ['-cbB', path, testUser.username, testUser.password])
    return { htpasswd: { realm: 'registrish-e2e', path } }
  }
  if (options.auth !== 'token') return undefined
  const { keyType = 'ec', ...token } = options.token ?? {}
  const certificate = await makeCertificate(folder, { name: 'token', keyType })
  const users = { [testUser.username]: testUser.password }
  parts.tokenServer = await startTokenServer({ users, ...token, certificate, ...(tls === undefined ? {} : { tls }) })
  const { realm, service, issuer } = parts.tokenServer
  return { token: { realm, service, issuer, rootcertbundle: certificate.certFile } }
}

/** docker-registry's configuration, as JSON, which YAML includes. No cache, so that files changed on disk are seen. */
function configuration(parts: {
  readonly dataFolder: string
  readonly readOnly: boolean
  readonly auth: object | undefined
  readonly tls: Certificate | undefined
}): string {
  const { dataFolder, readOnly, auth, tls } = parts
  return JSON.stringify({
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory: dataFolder },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false }, readonly: { enabled: readOnly } },
    },
    http: {
      addr: '127.0.0.1:0',
      secret: 'one registry, one process',
      ...(tls === undefined ? {} : { tls: { certificate: tls.certFile, key: tls.keyFile } }),
    },
    ...(auth === undefined ? {} : { auth }),
  })
}

/** The address that the registry says it listens on, once it does. */
async function listeningHost(errorFile: string): Promise<string | undefined> {
  const log = await readFile(errorFile, 'utf8')
  return /listening on (127\.0\.0\.1:\d+)/.exec(log)?.[1]
}
