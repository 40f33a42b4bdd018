import { join } from 'node:path'
import { asDigest, type Digest } from '../oci/digest.ts'
import { isFallbackDocument } from './documents.ts'
import { fileKey, linkOrCopy, statInside } from './files.ts'
import { type Edge, type GraphNode, type RepositoryGraph, readGraph } from './graph.ts'
import { manifestPath } from './layout.ts'
import type { SnapshotProblem } from './snapshot.ts'
import type { PresentBlobs } from './verify-blobs.ts'
import type { Findings } from './verify-report.ts'

/** Checks that every manifest is what its name says and every tag names one; with `repair` what is not is moved aside. Returns the graph that is left. */
export async function verifyManifests(root: string, repository: string, findings: Findings): Promise<RepositoryGraph> {
  const graph = await readGraph(root, repository)
  const { snapshot } = graph
  const problems = [...snapshot.problems, ...findTagsOfDamaged(root, graph)]
  for (const { file, text } of problems) {
    const step = asDigest(file.slice(file.lastIndexOf('/') + 1)) === undefined ? 'tags' : 'manifests'
    findings.checked(step)
    await findings.badFile({ step, path: file, text })
  }
  findings.checked('tags', snapshot.tags.size)
  findings.checked('manifests', graph.nodes.size)
  const bad = new Set(problems.map(({ file }) => file))
  for (const { entry } of graph.nodes.values()) {
    findings.hashed(entry.size)
    const path = manifestPath(repository, entry.digest)
    if (entry.file !== path && !bad.has(entry.file)) await nameByDigest(root, { from: entry.file, path }, findings)
  }
  return findings.repair && problems.length > 0 ? readGraph(root, repository) : graph
}

/** A tag whose file is that of a digest with other bytes: it may well parse, but it is not what it was. */
function findTagsOfDamaged(root: string, { snapshot }: RepositoryGraph): readonly SnapshotProblem[] {
  if (snapshot.problems.length === 0) return []
  const damaged = new Map<string, string>()
  for (const { file } of snapshot.problems) {
    const stats = statInside(root, file)
    if (stats !== undefined) damaged.set(fileKey(stats), file)
  }
  return [...snapshot.tags.keys()].flatMap(tag => {
    const file = manifestPath(snapshot.repository, tag)
    const stats = statInside(root, file)
    const same = stats === undefined ? undefined : damaged.get(fileKey(stats))
    return same === undefined ? [] : [{ file, text: `its file is that of ${same}, whose bytes are others` }]
  })
}

/** In a tree made by hand a manifest may stand at a tag only: clients that pull by digest do not find it on a host that serves files. */
async function nameByDigest(
  root: string,
  { from, path }: { readonly from: string; readonly path: string },
  findings: Findings,
): Promise<void> {
  const text = `${from} has no name by its digest`
  if (!findings.repair) {
    findings.note({ step: 'manifests', path, text: `${text}: verify --repair adds it` })
    return
  }
  await linkOrCopy(root, join(root, from), join(root, path))
  findings.note({ step: 'manifests', path, text: `${text}: added` })
}

export interface GraphOptions {
  /** Whether an index that lacks a child is a problem. */
  readonly complete: boolean
  readonly blobs: PresentBlobs
}

/** Checks that everything that manifests point to is there and has the size they say. */
export function verifyGraph(
  root: string,
  graph: RepositoryGraph,
  options: GraphOptions & { readonly findings: Findings },
): void {
  const { snapshot, nodes } = graph
  const documents = new Set<Digest>()
  for (const [tag, digest] of snapshot.tags) if (isFallbackDocument(root, snapshot, tag)) documents.add(digest)
  for (const node of nodes.values()) {
    options.findings.checked('graphs')
    if (documents.has(node.entry.digest)) continue
    if (node.entry.kind === 'index') checkIndex(graph, node, options)
    else for (const edge of node.edges) checkBlob(node, edge, options)
  }
}

type Checking = GraphOptions & { readonly findings: Findings }

function checkBlob({ entry }: GraphNode, { digest, size, foreign }: Edge, { blobs, findings }: Checking): void {
  const found = blobs.get(digest)
  if (found === size) return
  if (found === undefined && foreign) {
    findings.absent('foreign')
    return
  }
  const text = found === undefined ? `its blob ${digest} is missing` : wrongSize(digest, size, found)
  findings.problem({ step: 'graphs', path: entry.file, text })
}

/** An entry of unknown type may be a blob (image spec, image-index.md: unknown types must not be an error). */
function checkIndex(
  graph: RepositoryGraph,
  { entry, edges }: GraphNode,
  { blobs, complete, findings }: Checking,
): void {
  const absent: Edge[] = []
  for (const edge of edges) {
    const found = graph.find(edge.digest)?.entry.size ?? (edge.manifestType ? undefined : blobs.get(edge.digest))
    if (found === undefined) absent.push(edge)
    else if (found !== edge.size)
      findings.problem({ step: 'graphs', path: entry.file, text: wrongSize(edge.digest, edge.size, found) })
  }
  if (absent.length > 0 && absent.length === edges.length) {
    findings.problem({ step: 'graphs', path: entry.file, text: `none of the ${edges.length} it lists is in the tree` })
    return
  }
  for (const { digest, platform } of absent) {
    findings.absent('child')
    if (!complete) continue
    const named = platform === undefined ? digest : `${platform} (${digest})`
    findings.problem({ step: 'graphs', path: entry.file, text: `${named} is missing` })
  }
}

function wrongSize(digest: Digest, stated: number, found: number): string {
  return `it says that ${digest} has ${stated} bytes, but that has ${found}`
}
