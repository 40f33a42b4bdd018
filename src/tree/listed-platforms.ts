import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { OCI_CONFIG } from '../oci/media-types.ts'
import { formatPlatform } from '../oci/platform.ts'
import type { GraphNode, RepositoryGraph } from './graph.ts'
import { blobPath } from './layout.ts'

/** `artifact`: a manifest that is no image: of an artifact type, or with a config that is none of an image's. */
export type ListedKind = 'image' | 'index' | 'artifact'

/** A platform of an image; one of an index may be absent. */
export interface ListedPlatform {
  /** `os/arch[/variant][:osversion]`, or `unknown`. */
  readonly platform: string
  readonly digest: Digest
  readonly present: boolean
}

const IMAGE_CONFIGS = new Set([OCI_CONFIG, 'application/vnd.docker.container.image.v1+json'])

/** What sort of thing a manifest is. */
export function kindOf({ entry, artifactType, config }: GraphNode): ListedKind {
  if (entry.kind === 'index') return 'index'
  return artifactType === undefined && config !== undefined && IMAGE_CONFIGS.has(config.mediaType)
    ? 'image'
    : 'artifact'
}

/** The platforms below a manifest; those of nested indexes are its own. */
export function platformsOf(
  graph: RepositoryGraph,
  top: GraphNode,
  platformOf: (config: Digest) => string | undefined,
): readonly ListedPlatform[] {
  const found = new Map<Digest, ListedPlatform>()
  const seen = new Set<GraphNode>()
  const visit = (node: GraphNode, stated?: string): void => {
    if (seen.has(node)) return
    seen.add(node)
    const { digest, kind } = node.entry
    if (kind === 'image') {
      if (kindOf(node) !== 'image' && stated === undefined) return
      const platform = stated ?? (node.config === undefined ? undefined : platformOf(node.config.digest))
      found.set(digest, { platform: platform ?? 'unknown', digest, present: true })
      return
    }
    for (const edge of node.edges) {
      if (edge.attestation || edge.platform === 'unknown/unknown') continue
      const child = graph.find(edge.digest)
      if (child !== undefined) visit(child, edge.platform)
      else if (edge.manifestType) {
        found.set(edge.digest, { platform: edge.platform ?? 'unknown', digest: edge.digest, present: false })
      }
    }
  }
  visit(top)
  return [...found.values()]
}

/** Largest config that is read for its platform, in bytes. */
const LARGEST_CONFIG = 4 * 1024 * 1024

/** The platform that an image's config states (image spec, config.md); undefined where that cannot be read. `size`: of the config, undefined where it is absent. */
export function readPlatform(
  root: string,
  { snapshot }: RepositoryGraph,
  { config, size }: { readonly config: Digest; readonly size: number | undefined },
): string | undefined {
  if (size === undefined || size > LARGEST_CONFIG) return undefined
  try {
    const value: unknown = JSON.parse(readFileSync(join(root, blobPath(snapshot.repository, config)), 'utf8'))
    if (!isRecord(value)) return undefined
    const { os, architecture, variant } = value as Record<string, unknown>
    if (typeof os !== 'string' || typeof architecture !== 'string' || os === '' || architecture === '') return undefined
    return formatPlatform({ os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) })
  } catch {
    return undefined // A listing says what it can; verify says what is wrong with a config.
  }
}
