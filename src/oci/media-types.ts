/** Media types of the OCI image spec and of Docker's image manifest v2 schema 1 and 2. */
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
/** @internal for the tests, which make artifacts */
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
export const OCTET_STREAM = 'application/octet-stream'
export const JSON_TYPE = 'application/json'

/** The four manifest types that every registry speaks: what a client must accept lest the registry rewrite its answer (facts of distribution's manifest handler). */
export const MANIFEST_TYPES: readonly string[] = [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST]

const SCHEMA_1 = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
])

/** RFC 6838 §4.2 restricted names, without the characters that no manifest type uses and that paths and server configurations would have to escape. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9._+-]{0,126}$/

/** Whether `type` is one of the four manifest types. */
export function isManifestType(type: string): boolean {
  return MANIFEST_TYPES.includes(type)
}

/** Whether `type` is an index: an OCI image index or a Docker manifest list. */
export function isIndexType(type: string): boolean {
  return type === OCI_INDEX || type === DOCKER_LIST
}

/** Whether `type` is Docker's schema 1, which nothing pulls any more. */
export function isSchema1Type(type: string): boolean {
  return SCHEMA_1.has(type)
}

/** Whether `text` is a media type that a tree can serve as a Content-Type. */
export function isMediaType(text: unknown): text is string {
  return typeof text === 'string' && MEDIA_TYPE.test(text)
}
