import { type Consequences, means } from '../check.ts'
import type { ManifestSeen } from '../observations.ts'
import { CLIENTS, type Client } from '../report.ts'

/** Clients of images, which may have several platforms; charts have none. */
export const PULLERS: readonly Client[] = ['docker', 'containerd', 'podman', 'crane', 'oras']

/** Clients that read the answer to GET of a tag: Docker and containerd do not ask so where HEAD names a digest. */
export function readersOfTag({ reference, head }: ManifestSeen): readonly Client[] {
  if (reference.includes(':')) return CLIENTS
  const isNamed = head.status === 200 && head.headers['docker-content-digest'] !== undefined
  return isNamed ? ['podman', 'crane', 'oras', 'helm'] : CLIENTS
}

/** What it means that a manifest cannot be read by its digest; `why` for those that always read it so. */
export function failsByDigest(why: string): Consequences {
  return {
    ...means('caveat', 'pulls by digest fail'),
    ...means('fails', why, ['docker', 'containerd']),
  }
}
