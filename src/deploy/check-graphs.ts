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

function checkNode(place: Node): readonly PlanProblem[] {
  const { repository, listing, node } = place
  const isIndex = node.entry.kind === 'index'
  const sizes = node.edges.map(edge => ({ edge, found: find(edge, isIndex, place) }))
  const name = `${repository.name}@${node.entry.digest}`
  const wrong = sizes.flatMap(({ edge, found }) =>
    found === undefined || found.size === edge.size ? [] : [describeWrong(found, edge, name)],
  )
  const absent = sizes.filter(({ edge, found }) => found === undefined && !edge.foreign)
  const lacking = isIndex && absent.length < sizes.length ? [] : absent
  return [
    ...wrong,
    ...lacking.slice(0, 1).map(({ edge }) => ({
      level: 'refuse' as const,
      code: 'incomplete' as const,
      text: `${name} lacks ${isIndex ? 'all of its manifests' : edge.digest}${listing.size === 0 ? '' : ', in the tree and on the store'}`,
      hint: 'fetch the image again, or remove it: registrish verify names its tags',
    })),
  ]
}

/** What is there of something that a manifest names. `key`: where it stands on the store, if only there. */
interface Found {
  readonly size: number
  readonly key?: string
}

/** An index may be sparse, and may name blobs. */
function find(
  { digest }: Edge,
  isIndex: boolean,
  { repository: { name, graph, blobs }, listing }: Node,
): Found | undefined {
  const manifest = isIndex
    ? (sized(graph.find(digest)?.entry.size) ?? listing.get(manifestPath(name, digest)))
    : undefined
  return manifest ?? sized(blobs.get(digest as Digest)) ?? listing.get(blobPath(name, digest))
}

function sized(size: number | undefined): Found | undefined {
  return size === undefined ? undefined : { size }
}

/** Bytes of the tree can be mended there; for those that only the store holds it is of no use to look there. */
function describeWrong({ size, key }: Found, edge: Edge, name: string): PlanProblem {
  const problem = { level: 'refuse', code: 'size-mismatch' } as const
  const says = `has ${size} bytes, but ${name} says ${edge.size}`
  if (key === undefined) return { ...problem, text: `${edge.digest} ${says}`, hint: VERIFY }
  return {
    ...problem,
    text: `${key} on the store ${says}`,
    hint: 'fetch the image whole and deploy it, which writes that object anew, or delete it from the store',
    side: 'target',
  }
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
