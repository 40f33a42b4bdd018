import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import { DOCKER_HUB, parseReference, type Reference } from '../oci/reference.ts'
import { PUBLIC, publicPrefix } from '../tree/layout.ts'

/** What is to be examined. */
export interface DoctorTarget {
  /** `registry.example.com`, `localhost:5000`: what stands before an image's name. */
  readonly host: string
  /** The scheme that was written, if one was. */
  readonly scheme?: 'https' | 'http'
  /** The image that was named. */
  readonly image?: Pick<Reference, 'repository' | 'tag' | 'digest'>
}

/** Parses `host[:port][/name[:tag|@digest]]`, or a URL of the same. @throws RegistrishError `usage`. */
export function parseTarget(text: string): DoctorTarget {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== 'https' && scheme !== 'http')
    throw usage(`${quote(text)} is no address of a registry`)
  const rest = text.replace(/^[^:/]*:\/\//, '')
  const [written = '', ...path] = (scheme === undefined ? text : rest).split('/')
  const name = path.join('/').replace(/\/+$/, '')
  if (written.includes('@'))
    throw usage('the address holds a user or a password: log in instead, or name a file with --authfile')
  const host = hostOf(written)
  if (host === undefined) {
    throw usage(`${quote(text)} does not begin with a host: docker takes it for an image of Docker Hub`)
  }
  if (!URL.canParse(`https://${host}`))
    throw usage(`${quote(host)} is no address: a port is 65535 at most, and each part of an IPv4 address 255`)
  if (name.startsWith(publicPrefix) || /[?#]/.test(name))
    throw usage(`${quote(text)} is an address of the API, not of an image`)
  if (name === '' || name === PUBLIC) return { host, ...schemed(scheme) }
  try {
    const { registry: _, ...image } = parseReference(`${host}/${name}`)
    return { host, ...schemed(scheme), image }
  } catch (cause) {
    throw usage(
      `${quote(name)} is not the name of an image: clients ask for /v2/ at the root of a host, and a name has no room for a path before it`,
      cause,
    )
  }
}

/** The image as it is told: `alpine:latest`. */
export function formatImage(repository: string, reference: string): string {
  return `${repository}${reference.includes(':') ? '@' : ':'}${reference}`
}

/** Docker takes for a host what has a dot or a port, or is localhost; an address in brackets is one too. All names of Docker Hub are docker.io. */
function hostOf(written: string): string | undefined {
  try {
    const { registry, repository } = parseReference(`${written}/team/image`)
    if (registry !== DOCKER_HUB) return written
    return repository === 'team/image' ? DOCKER_HUB : undefined
  } catch {
    return undefined
  }
}

function schemed(scheme: 'https' | 'http' | undefined): Pick<DoctorTarget, 'scheme'> {
  return scheme === undefined ? {} : { scheme }
}

function usage(message: string, cause?: unknown): RegistrishError {
  return new RegistrishError('usage', message, {
    hint: 'write a host, or an image of it: registrish doctor registry.example.com, or registrish doctor registry.example.com/alpine:latest',
    ...(cause === undefined ? {} : { cause }),
  })
}
