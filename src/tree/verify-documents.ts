import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileError, isRegistrishError, messageOf, systemCode } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import { asDigest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { fallbackTag } from '../oci/referrers.ts'
import { isFallbackDocument, referrersBySubject } from './documents.ts'
import { statInside } from './files.ts'
import type { RepositoryGraph } from './graph.ts'
import { catalogPath, manifestPath, referrersFolder, referrersPath, tagsListPath, versionPath } from './layout.ts'
import type { Findings } from './verify-report.ts'

/*
 * A document that names what is not there, or that clients cannot read, is a problem. One that is missing, or does not name yet what is there, is
 * behind: so it is in a tree made by hand, and between a kill of fetch and the next run. That is a note.
 */

/** Documents as they were read before the files they speak of: what is added meanwhile cannot make them wrong. Path → bytes. */
export type ReadDocuments = ReadonlyMap<string, Buffer>

/** Reads the documents of a repository. */
export function readDocuments(root: string, repository: string): ReadDocuments {
  const found = new Map<string, Buffer>()
  readInto(root, tagsListPath(repository), found)
  for (const name of listFolder(join(root, referrersFolder(repository)))) {
    const digest = asDigest(name)
    if (digest !== undefined) readInto(root, referrersPath(repository, digest), found)
  }
  return found
}

/** Reads the documents of the whole tree. */
export function readTreeDocuments(root: string): ReadDocuments {
  const found = new Map<string, Buffer>()
  for (const path of [catalogPath, versionPath]) readInto(root, path, found)
  return found
}

/** Compares the catalogue with the repositories that are there. */
export function verifyTreeDocuments(read: ReadDocuments, repositories: readonly string[], findings: Findings): void {
  compare(
    { path: catalogPath, read, expected: new Set(repositories), names: bytes => namesIn(bytes, 'repositories') },
    findings,
  )
  compare({ path: versionPath, read, expected: new Set(), names: namesNothing }, findings)
}

/** Compares the documents of a repository with its manifests. */
export function verifyDocuments(
  root: string,
  { graph, read }: { readonly graph: RepositoryGraph; readonly read: ReadDocuments },
  findings: Findings,
): void {
  const { snapshot } = graph
  const { repository, tags } = snapshot
  // Damaged tags are reported as such.
  const damaged = snapshot.problems.map(({ file }) => file.slice(file.lastIndexOf('/') + 1))
  const named = (bytes: Buffer): readonly string[] => namesIn(bytes, 'tags').filter(tag => !damaged.includes(tag))
  const path = tagsListPath(repository)
  if (snapshot.manifests.size > 0 || read.has(path))
    compare({ path, read, expected: new Set(tags.keys()), names: named }, findings)
  const bySubject = referrersBySubject(snapshot)
  const expected = new Map(
    [...bySubject].map(([subject, list]) => [referrersPath(repository, subject), digestsOf(list)]),
  )
  for (const document of new Set([...expected.keys(), ...[...read.keys()].filter(name => name !== path)])) {
    compare({ path: document, read, expected: expected.get(document) ?? new Set(), names: referrersIn }, findings)
  }
  const fallbacks = new Map([...bySubject].map(([subject, list]) => [fallbackTag(subject), digestsOf(list)]))
  for (const tag of new Set([...fallbacks.keys(), ...tags.keys()])) {
    const file = manifestPath(repository, tag)
    const digest = tags.get(tag)
    const list = fallbacks.get(tag)
    if (digest === undefined) {
      findings.checked('documents')
      behind(file, 'it is missing', findings)
    } else if (isFallbackDocument(root, snapshot, tag)) {
      const children = (graph.nodes.get(digest)?.edges ?? []).map(edge => edge.digest)
      judge({ path: file, expected: list ?? new Set(), found: children }, findings)
    }
  }
}

interface Comparison {
  readonly path: string
  readonly read: ReadDocuments
  readonly expected: ReadonlySet<string>
  /** What a document names. @throws RegistrishError or SyntaxError where it cannot be read. */
  readonly names: (bytes: Buffer) => readonly string[]
}

function compare({ path, read, expected, names }: Comparison, findings: Findings): void {
  const bytes = read.get(path)
  if (bytes === undefined) {
    findings.checked('documents')
    behind(path, 'it is missing', findings)
    return
  }
  let found: readonly string[]
  try {
    found = names(bytes)
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isRegistrishError(error)) throw error
    findings.checked('documents')
    wrong(path, `clients cannot read it: ${messageOf(error)}`, findings)
    return
  }
  judge({ path, expected, found }, findings)
}

interface Judgement {
  readonly path: string
  readonly expected: ReadonlySet<string>
  readonly found: readonly string[]
}

function judge({ path, expected, found }: Judgement, findings: Findings): void {
  findings.checked('documents')
  const strange = found.filter(name => !expected.has(name))
  if (strange.length > 0) {
    wrong(path, `it names what is not there: ${abbreviate(strange)}`, findings)
    return
  }
  const known = new Set(found)
  const lacking = [...expected].filter(name => !known.has(name))
  if (lacking.length > 0) behind(path, `it does not name ${abbreviate(lacking)} yet`, findings)
}

function wrong(path: string, text: string, { repair, problem }: Findings): void {
  problem({ step: 'documents', path, text, ...(repair ? { repaired: 'regenerated' } : {}) })
}

function behind(path: string, text: string, { repair, note }: Findings): void {
  note({
    step: 'documents',
    path,
    text: `${text}: ${repair ? 'regenerated' : 'the next fetch or verify --repair regenerates it'}`,
  })
}

function abbreviate(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown
}

function digestsOf(list: readonly { readonly digest: string }[]): ReadonlySet<string> {
  return new Set(list.map(({ digest }) => digest))
}

function referrersIn(bytes: Buffer): readonly string[] {
  const manifest = parseManifest(bytes)
  if (manifest.kind !== 'index') throw new SyntaxError('it is not an index')
  return manifest.manifests.map(({ digest }) => digest)
}

function namesNothing(bytes: Buffer): readonly string[] {
  parseObject(bytes)
  return []
}

function namesIn(bytes: Buffer, key: string): readonly string[] {
  const names = parseObject(bytes)[key]
  if (names === null) return []
  if (!Array.isArray(names) || names.some(name => typeof name !== 'string'))
    throw new SyntaxError(`it has no list "${key}"`)
  return names as readonly string[]
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  const value: unknown = JSON.parse(bytes.toString('utf8'))
  if (!isRecord(value)) throw new SyntaxError('it is not a JSON object')
  return value
}

function readInto(root: string, path: string, found: Map<string, Buffer>): void {
  if (statInside(root, path) === undefined) return
  try {
    found.set(path, readFileSync(join(root, path)))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw fileError(error, 'read', path, 'source')
  }
}

function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw fileError(error, 'list', folder, 'source')
  }
}
