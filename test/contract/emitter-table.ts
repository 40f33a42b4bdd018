import { DOCKER_MANIFEST, OCI_INDEX } from '../../src/oci/media-types.ts'
import type { Route } from '../../src/tree/route.ts'
import { route } from './emitter-routes.ts'

/** The digest of the index that {@link SHARED_ROUTES} share. */
export const A: string = `sha256:${'a'.repeat(64)}`
/** The digest of a blob that both repositories have, and of a manifest. */
export const B: string = `sha256:${'b'.repeat(64)}`
/** A digest of the other algorithm. */
const C: string = `sha512:${'c'.repeat(128)}`

const BLOB = 'application/octet-stream'

/** Two repositories that share a blob and an index; tags with full stops, and a name with one. */
export const SHARED_ROUTES: readonly Route[] = [
  route('app', 'blob', B, BLOB, B),
  route('app', 'tag', 'latest', OCI_INDEX, A),
  route('app', 'tag', '1.0', OCI_INDEX, A),
  route('app', 'manifest', A, OCI_INDEX, A),
  route('app', 'manifest', C, OCI_INDEX, C),
  route('team/t.ool', 'blob', B, BLOB, B),
  route('team/t.ool', 'tag', '1.0.gz', DOCKER_MANIFEST, B),
  route('team/t.ool', 'tag', 'same', OCI_INDEX, A),
]

/** A text with the digests of {@link SHARED_ROUTES} made short. */
export function shorten(text: string): string {
  return text.replaceAll(A.slice(7), '<a>').replaceAll(B.slice(7), '<b>').replaceAll(C.slice(7), '<c>')
}
