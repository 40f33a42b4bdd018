import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckName, Client } from '../../src/doctor/report.ts'
import { answersRight } from './right-answers.ts'
import { type Hook, startTestRegistry } from './test-registry.ts'
import { makeWrongRegistryImages, type WrongRegistryImages } from './wrong-registry-images.ts'

/*
 * Registries with one mistake each. What is right is in right-answers.ts, the mistakes are in wrong-registries.ts.
 */

/** A registry that answers everything right but for exactly one thing, and what doctor has to say of it. */
export interface WrongRegistry {
  /** What is wrong. */
  readonly name: string
  /** The one check that does not pass. */
  readonly check: CheckName
  /** Clients that cannot pull from it. */
  readonly fails?: readonly Client[]
  /** Clients that can, with something to know; those in neither list work. */
  readonly caveats?: readonly Client[]
  /** Where that is written, by the sections of facts on clients, or what it was measured with. */
  readonly why: string
  /** Turns right answers into wrong ones; applied outside of everything right. */
  readonly change?: (site: WrongSite) => Hook
  /** Its certificate: for another name, signed by nobody who is trusted, or of the past; `none` is plain HTTP. Default: a right one. */
  readonly tls?: 'wrong name' | 'not trusted' | 'expired' | 'none'
  /** What is pulled. Default `multi:latest`. */
  readonly image?: 'single:latest'
  /** The name it is asked by. Default `127.0.0.1`. */
  readonly host?: 'localhost'
  /** Where a real client of the tests' machine differs from the verdict, or cannot be asked in time, and why. */
  readonly measured?: Readonly<
    Partial<Record<Program, { readonly pulls: boolean | 'not asked'; readonly why: string }>>
  >
}

/** The real clients that pull from wrong registries. */
export type Program = 'docker' | 'containerd' | 'podman' | 'skopeo' | 'crane'

/** What a mistake may need to know of where it is made. */
export interface WrongSite extends WrongRegistryImages {
  /** Servers of the same content beside it, all right: another port, and plain HTTP. Never ending in a slash. */
  readonly beside: { readonly https: string; readonly http: string }
}

/** A running wrong registry. */
export interface RunningWrongRegistry extends WrongRegistryImages {
  /** `127.0.0.1:port` or `localhost:port`. */
  readonly host: string
  readonly image: string
  /** `METHOD path status`, as they came. */
  readonly lines: () => readonly string[]
  readonly close: () => Promise<void>
}

/** The certificates that wrong registries use. */
export interface WrongRegistryCertificates {
  /** PEM file of the authority that signed itself; signs all but `stranger`. */
  readonly caFile: string
  readonly right: Pair
  readonly wrongName: Pair
  readonly stranger: Pair
  readonly expired: Pair
}

interface Pair {
  readonly key: string
  readonly cert: string
}

/** Starts a registry with one mistake, or with none; the seed keeps its images apart from those of others. */
export async function startWrongRegistry(
  wrong: Pick<WrongRegistry, 'change' | 'tls' | 'image' | 'host'>,
  { certificates, seed }: { readonly certificates: WrongRegistryCertificates; readonly seed: string },
): Promise<RunningWrongRegistry> {
  const images = await makeWrongRegistryImages(seed)
  const right = answersRight(Object.keys(images.repositories))
  const { repositories } = images
  const https = await startTestRegistry({ repositories, hook: right, tls: certificates.right })
  const http = await startTestRegistry({ repositories, hook: right })
  const change = wrong.change?.({ ...images, beside: { https: https.url, http: http.url } })
  const tls = wrong.tls === 'none' ? {} : { tls: certificateFor(wrong.tls, certificates) }
  const hooks = change === undefined ? [right] : [change, right]
  const registry = await startTestRegistry({ repositories, hooks, ...tls })
  return {
    ...images,
    host: `${wrong.host ?? '127.0.0.1'}:${registry.port}`,
    image: wrong.image ?? 'multi:latest',
    lines: registry.lines,
    close: async () => {
      await Promise.all([registry, https, http].map(({ close }) => close()))
    },
  }
}

function certificateFor(tls: WrongRegistry['tls'], certificates: WrongRegistryCertificates): Pair {
  if (tls === 'wrong name') return certificates.wrongName
  if (tls === 'expired') return certificates.expired
  return tls === 'not trusted' ? certificates.stranger : certificates.right
}

/** Makes the certificates in a folder, by openssl. */
export function makeWrongRegistryCertificates(folder: string): WrongRegistryCertificates {
  const here = 'IP:127.0.0.1,DNS:localhost'
  const authority = makeCertificate(folder, { name: 'authority', names: here })
  const right = makeCertificate(folder, { name: 'right', names: here, signer: 'authority' })
  return {
    caFile: authority.certFile,
    right,
    expired: { ...right, cert: expire(folder, 'right') },
    wrongName: makeCertificate(folder, { name: 'wrong-name', names: 'DNS:registry.example.com', signer: 'authority' }),
    stranger: makeCertificate(folder, { name: 'stranger', names: here }),
  }
}

/** The same certificate, which ended yesterday. */
function expire(folder: string, name: string): string {
  const openssl = (...args: readonly string[]): unknown => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const [request, file] = [`${name}.csr`, `${name}-expired.crt`]
  const signer = ['-CA', 'authority.crt', '-CAkey', 'authority.key', '-CAcreateserial']
  openssl(
    'x509',
    '-x509toreq',
    '-copy_extensions',
    'copyall',
    '-in',
    `${name}.crt`,
    '-key',
    `${name}.key`,
    '-out',
    request,
  )
  openssl('x509', '-req', '-copy_extensions', 'copyall', '-in', request, ...signer, '-days', '-1', '-out', file)
  return readFileSync(join(folder, file), 'utf8')
}

function makeCertificate(
  folder: string,
  { name, names, signer }: { readonly name: string; readonly names: string; readonly signer?: string },
): Pair & { readonly certFile: string } {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`]
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`]
  const signed = signer === undefined ? [] : ['-CA', `${signer}.crt`, '-CAkey', `${signer}.key`]
  const leaf = signer === undefined ? [] : ['-addext', 'basicConstraints=critical,CA:FALSE']
  const files = ['-out', `${name}.crt`]
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, ...subject, ...leaf, ...signed, ...files], {
    cwd: folder,
    stdio: 'pipe',
  })
  const certFile = join(folder, `${name}.crt`)
  return { certFile, key: readFileSync(join(folder, `${name}.key`), 'utf8'), cert: readFileSync(certFile, 'utf8') }
}
