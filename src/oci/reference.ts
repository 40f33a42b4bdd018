import { RegistrishError } from '../errors.ts'
import { type Digest, parseDigest, quote } from './digest.ts'
import { parseRepositoryName, parseTag } from './name.ts'

/** What an image name says: a registry (`host[:port]`), a repository, and a tag, a digest, both or neither. */
export interface Reference {
  readonly registry: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

/** The registry of names that name none. */
export const DOCKER_HUB = 'docker.io'

/** The host of a registry's API: Docker Hub's stands at another than its name (facts of the Docker Engine). */
export function apiHostOf(registry: string): string {
  return registry === DOCKER_HUB ? 'registry-1.docker.io' : registry
}

/**
 * Parses an image name as Docker does (distribution/reference): the first component is a host if it holds "." or ":" or is "localhost";
 * names without one are Docker Hub's, single ones in `library/`. `index.docker.io` and `registry-1.docker.io` are docker.io.
 * @throws RegistrishError `name-invalid`.
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1))
  const named = at < 0 ? text : text.slice(0, at)
  const colon = named.lastIndexOf(':')
  const hasTag = colon > named.lastIndexOf('/')
  const tag = hasTag ? parseTag(named.slice(colon + 1)) : undefined
  return {
    ...splitName(hasTag ? named.slice(0, colon) : named),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** Formats a reference in full: `registry/repository[:tag][@digest]`. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** The name a repository bears in a tree by default: its path, without the host and without Docker Hub's `library/`. */
export function defaultTreeName({ registry, repository }: Reference): string {
  return registry === DOCKER_HUB && repository.startsWith('library/') ? repository.slice('library/'.length) : repository
}

/** Whether a registry is on this machine: localhost, a name below it, 127.0.0.0/8 or ::1. */
export function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return host === 'localhost' || host.endsWith('.localhost') || /^127(?:\.\d{1,3}){3}$/.test(host) || host === '::1'
}

function splitName(name: string): { readonly registry: string; readonly repository: string } {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const isHost = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase()
  const registry = isHost ? canonicalHost(first) : DOCKER_HUB
  const path = isHost ? name.slice(slash + 1) : name
  const repository = parseRepositoryName(path)
  return { registry, repository: registry === DOCKER_HUB && !path.includes('/') ? `library/${repository}` : repository }
}

const HUB_NAMES = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com'])
const HOST =
  /^(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

function canonicalHost(host: string): string {
  if (!HOST.test(host)) {
    throw new RegistrishError('name-invalid', `not a registry host: ${quote(host)}`, {
      hint: 'write host/name:tag or host:port/name:tag',
    })
  }
  const lower = host.toLowerCase()
  return HUB_NAMES.has(lower) ? DOCKER_HUB : lower
}
