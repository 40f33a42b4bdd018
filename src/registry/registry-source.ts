import { createHttpClient, type HttpClient } from '../http/client.ts'
import { createCredentialFinder } from '../http/credentials.ts'
import type { Environment } from '../http/proxy.ts'
import { createRetry, type Sleep } from '../http/retry.ts'
import type { Source } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { openBlob } from './blobs.ts'
import { createConnection } from './connection.ts'
import type { FetchedManifest } from './fetch-manifest.ts'
import { openManifest, resolveManifest } from './manifests.ts'
import { listReferrers } from './referrers.ts'
import { listTags } from './tags.ts'

/** Which registry, and how it is spoken to. */
export interface RegistrySourceOptions {
  /** Host and port as a parsed reference has them; `docker.io` for Docker Hub. */
  readonly registry: string
  /** Speak plain HTTP to a registry that is not on this machine. Default false. */
  readonly plainHttp?: boolean
  /** PEM file of certificate authorities to trust beside Node's own and `NODE_EXTRA_CA_CERTS`. */
  readonly caFile?: string
  /** The one file to look for credentials in. Default: where docker and podman keep them. */
  readonly authFile?: string
  /** Repetitions of a request that may well succeed later. Default 3. */
  readonly retryTimes?: number
  /** Longest silence of the registry, in ms. Default 60 s. */
  readonly stallTimeout?: number
  readonly onProgress?: OnProgress
  /** A client to use instead of one of its own; `close` leaves it open. */
  readonly http?: HttpClient
  /** Environment and home folder, for credentials and proxies. Default: the process's. */
  readonly env?: Environment
  readonly home?: string
  /** How pauses between tries are made. Default: by the clock. */
  readonly sleep?: Sleep
  /** The clock by which tokens expire, in ms. Default `Date.now`. */
  readonly now?: () => number
}

/** A registry that other people run, as a {@link Source}. Nothing is sent before the first call. */
export function createRegistrySource(options: RegistrySourceOptions): Source {
  const { registry, plainHttp = false } = options
  const http = options.http ?? createHttpClient(pick(options, 'caFile', 'stallTimeout', 'env'))
  const retry = createRetry({
    ...pick(options, 'onProgress', 'sleep'),
    ...(options.retryTimes === undefined ? {} : { times: options.retryTimes }),
  })
  const credentials = createCredentialFinder(pick(options, 'authFile', 'env', 'home'))
  const connection = createConnection({ registry, plainHttp, http, retry, credentials, ...pick(options, 'now') })
  const manifests = { connection, held: new Map<string, FetchedManifest>() }
  return {
    title: registry,
    async resolve(repository, reference, call = {}) {
      return resolveManifest(manifests, { repository, reference }, call)
    },
    async open(repository, descriptor, { kind, offset = 0, reuse, signal }) {
      return kind === 'manifest'
        ? openManifest(manifests, repository, { descriptor, signal })
        : openBlob(connection, { repository, descriptor, offset, reuse, signal })
    },
    async tags(repository, call = {}) {
      return listTags(connection, repository, call)
    },
    async referrers(repository, digest, call = {}) {
      return listReferrers(connection, repository, { digest, ...call })
    },
    async close() {
      if (options.http === undefined) await http.close()
    },
  }
}

/** Those of some options that are set. */
function pick<T extends object, K extends keyof T>(options: T, ...keys: readonly K[]): { [P in K]: T[P] } {
  return Object.fromEntries(keys.filter(key => options[key] !== undefined).map(key => [key, options[key]])) as {
    [P in K]: T[P]
  }
}
