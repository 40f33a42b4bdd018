import { createHttpClient, type HttpClient } from '../http/client.ts'
import { createCredentialFinder } from '../http/credentials.ts'
import type { Environment } from '../http/proxy.ts'
import { createRetry, type Retry, type Sleep } from '../http/retry.ts'
import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { type Connection, createConnection } from '../registry/connection.ts'
import type { PublicHost } from './public-host.ts'

/** How the public host is asked. */
export interface ProofHostOptions extends CallOptions {
  readonly host: PublicHost
  /** PEM file of certificate authorities to trust beside Node's own. */
  readonly caFile?: string
  /** The one file to look for credentials in, should the host ask for any. Default: where docker and podman keep them. */
  readonly authFile?: string
  readonly onProgress?: OnProgress
  /** Environment and home folder, for credentials and proxies. Default: the process's. */
  readonly env?: Environment
  readonly home?: string
  /** How pauses between tries are made. Default: by the clock. */
  readonly sleep?: Sleep
}

/** The public host, to be asked as clients ask it: anonymously, unless it wants to know who is asking. */
export interface ProofHost {
  readonly connection: Connection
  readonly retry: Retry
  /** Where requests go: a host on this machine may turn out to speak plain HTTP. */
  readonly origin: string
  readonly close: () => Promise<void>
}

/** Opens a {@link ProofHost}. @throws RegistrishError `usage` where the credentials file that was named is not there or broken. */
export async function openProofHost(options: ProofHostOptions): Promise<ProofHost> {
  const { host, caFile, authFile, onProgress, env, home, sleep } = options
  const http: HttpClient = createHttpClient({
    ...(caFile === undefined ? {} : { caFile }),
    ...(env === undefined ? {} : { env }),
  })
  const retry = createRetry({
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(sleep === undefined ? {} : { sleep }),
  })
  const credentials = createCredentialFinder({
    ...(authFile === undefined ? {} : { authFile }),
    ...(env === undefined ? {} : { env }),
    ...(home === undefined ? {} : { home }),
  })
  const connection = createConnection({ registry: host.host, plainHttp: host.plainHttp, http, retry, credentials })
  const { origin } = await connection.origin()
  return { connection, retry, origin, close: () => http.close() }
}
