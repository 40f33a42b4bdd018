import type { Digest } from '../oci/digest.ts'
import type { Edge, GraphNode } from '../tree/graph.ts'
import { blobPath, manifestPath } from '../tree/layout.ts'
import type { LocalRepository } from './content.ts'
import type { StoreListing } from './listing.ts'
import type { PlanProblem } from './report.ts'

/** Problems that are told; the rest is counted. */
const MOST_TOLD = 20

/**
 * What must not be published: a manifest that lacks something it needs, in the tree and on the store, or whose parts have another size than it says. Local names
 * are not trusted: that the bytes are right is seen while they are sent.
 */
export function checkGraphs(repositories: readonly LocalRepository[], listing: StoreListing): readonly PlanProblem[] {
  const problems: PlanProblem[] = []
  for (const repository of repositories) {
    for (const { file, text } of repository.graph.snapshot.problems)
      problems.push({ level: 'warn', code: 'conflict', text: `${file} is left out: ${text}`, hint: VERIFY })
    for (const node of repository.graph.nodes.values()) problems.push(...checkNode({ repository, listing, node }))
  }
  return shorten(problems)
}

interface Node {
  readonly repository: LocalRepository
  readonly listing: StoreListing
  readonly node: GraphNode
}

function checkNode({ repository, listing, node }: Node): readonly PlanProblem[] {
  const isIndex = node.entry.kind === 'index'
  const sizes = node.edges.map(edge => ({ edge, size: sizeOf(edge, isIndex, repository, listing) }))
  const name = `${repository.name}@${node.entry.digest}`
  const wrong = sizes.filter(({ edge, size }) => size !== undefined && size !== edge.size)
  const absent = sizes.filter(({ edge, size }) => size === undefined && !edge.foreign)
  const lacking = isIndex && absent.length < sizes.length ? [] : absent
  return [
    ...wrong.map(({ edge, size }) => ({
      level: 'refuse' as const,
      code: 'size-mismatch' as const,
      text: `${edge.digest} has ${size} bytes, but ${name} says ${edge.size}`,
      hint: VERIFY,
    })),
    ...lacking.slice(0, 1).map(({ edge }) => ({
      level: 'refuse' as const,
      code: 'incomplete' as const,
      text: `${name} lacks ${isIndex ? 'all of its manifests' : edge.digest}${listing.size === 0 ? '' : ', in the tree and on the store'}`,
      hint: 'fetch the image again, or remove it: registrish verify names its tags',
    })),
  ]
}

/** An index may be sparse, and may name blobs. */
function sizeOf(
  { digest }: Edge,
  isIndex: boolean,
  { name, graph, blobs }: LocalRepository,
  listing: StoreListing,
): number | undefined {
  const manifest = isIndex ? (graph.find(digest)?.entry.size ?? sizeAt(listing, manifestPath(name, digest))) : undefined
  return manifest ?? blobs.get(digest as Digest) ?? sizeAt(listing, blobPath(name, digest))
}

function sizeAt(listing: StoreListing, key: string): number | undefined {
  return listing.get(key)?.size
}

function shorten(problems: readonly PlanProblem[]): readonly PlanProblem[] {
  const refused = problems.filter(({ level }) => level === 'refuse')
  const told = [...refused, ...problems.filter(({ level }) => level === 'warn')]
  const [first] = told.slice(MOST_TOLD)
  if (first === undefined) return told
  return [
    ...told.slice(0, MOST_TOLD),
    { ...first, text: `and ${told.length - MOST_TOLD} more of this kind`, hint: VERIFY },
  ]
}

const VERIFY = 'registrish verify says what is wrong in the tree'
