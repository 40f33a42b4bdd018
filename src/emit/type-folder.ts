import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts'

/** The four usual types, those of most manifests first: a server that tries their folders looks once at the disk for each. */
export const TYPES: readonly string[] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]

/** The folder of all manifests of one type: a media type has one slash and no colon, and no tag has a colon. */
export function typeFolder(mediaType: string): string {
  return mediaType.replace('/', ':')
}
