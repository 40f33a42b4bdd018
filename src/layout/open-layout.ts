import { access } from 'node:fs/promises'
import { RegistrishError } from '../errors.ts'
import { asDigest } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import { openDockerArchive } from './docker-archive.ts'
import type { LayoutSource } from './layout-source.ts'
import { openOciArchive } from './oci-archive.ts'
import { openOciLayout } from './oci-layout.ts'
import type { ArchiveOptions } from './tar-archive.ts'
import { type LayoutTransport, parseTransport } from './transport.ts'

/** A layout or archive that a source argument names. */
export interface OpenedLayout {
  readonly source: LayoutSource
  readonly transport: LayoutTransport
  /** The folder or file. */
  readonly path: string
  /** For `resolve`: what the argument says after the path, a tag, an image name, a digest or `@N`. Where it says nothing: undefined, and `images()` tells what there is. */
  readonly reference?: string
}

/**
 * Opens what `oci:DIR[:TAG]`, `ocidir://DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME:TAG]` names; a digest stands behind `@`, and so does a position (`@0`).
 * Paths may contain colons: the longest path that exists is the path.
 * @throws RegistrishError `usage` for any other argument; `not-found` where there is nothing; what opening throws.
 */
export async function openLayout(text: string, options: ArchiveOptions = {}): Promise<OpenedLayout> {
  const name = parseTransport(text)
  if (name.kind !== 'layout') {
    throw new RegistrishError('usage', `${JSON.stringify(text)} is not a layout or an archive`, {
      hint: 'write oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME:TAG]',
    })
  }
  const { transport, rest } = name
  const { path, reference } = await splitPath(rest)
  const source = await OPENERS[transport](path, options)
  return { source, transport, path, ...(reference === '' ? {} : { reference }) }
}

const OPENERS: Readonly<Record<LayoutTransport, (path: string, options: ArchiveOptions) => Promise<LayoutSource>>> = {
  oci: async (path: string, options: CallOptions) => openOciLayout(path, options),
  ocidir: async (path: string, options: CallOptions) => openOciLayout(path, options),
  'oci-archive': openOciArchive,
  'docker-archive': openDockerArchive,
}

/** Splits a path from what follows it: at the last separator that leaves a path that exists, else at the first one. */
async function splitPath(rest: string): Promise<{ readonly path: string; readonly reference: string }> {
  if (await exists(rest)) return { path: rest, reference: '' }
  const separators = [...rest.matchAll(SEPARATOR)].map(match => match.index)
  for (const at of separators.toReversed()) {
    if (await exists(rest.slice(0, at))) return { path: rest.slice(0, at), reference: referenceAt(rest, at) }
  }
  const first = separators.find(at => !isDriveLetter(rest, at))
  return first === undefined
    ? { path: rest, reference: '' }
    : { path: rest.slice(0, first), reference: referenceAt(rest, first) }
}

/** A colon, or an `@` before a digest or a position. */
const SEPARATOR = /:|@(?=\d+$|sha256:|sha512:)/g

/** What stands at a separator; of a name with a digest the digest counts. */
function referenceAt(rest: string, at: number): string {
  const digest = asDigest(/@([^@]*)$/.exec(rest.slice(at))?.[1])
  if (digest !== undefined) return digest
  return rest[at] === '@' ? rest.slice(at) : rest.slice(at + 1)
}

function isDriveLetter(rest: string, at: number): boolean {
  return at === 1 && /^[A-Za-z]:[\\/]/.test(rest)
}

async function exists(path: string): Promise<boolean> {
  return (
    path !== '' &&
    (await access(path).then(
      () => true,
      () => false,
    ))
  )
}
