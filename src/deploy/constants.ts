import { formatApiError } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { notFoundPath, publicPrefix, versionPath } from '../tree/layout.ts'
import { headersOf, VERSION_BODY } from '../tree/route.ts'
import type { NewObject, ObjectStore } from './store.ts'

/** The cache life of everything that may change. */
const SHORT: string = headersOf('version', JSON_TYPE)['Cache-Control'] ?? ''

/** The answer to the version check where folders have an index. */
export const INDEX_OBJECT: NewObject = constant(versionPath, VERSION_BODY)

/**
 * Objects whose bytes never change. The key `v2/` answers the version check where keys are all there is: without bytes, since some stores keep it as a folder
 * (versitygw: DirectoryObjectContainsData), and clients look at its status only.
 */
export const CONSTANTS: readonly NewObject[] = [
  constant(publicPrefix, new Uint8Array()),
  INDEX_OBJECT,
  { ...constant(notFoundPath, new TextEncoder().encode(formatApiError('MANIFEST_UNKNOWN'))), cacheControl: 'no-store' },
]

/** Those that a store needs. */
export function constantsFor({ hasFolders = false }: Pick<ObjectStore, 'hasFolders'>): readonly NewObject[] {
  return hasFolders ? [INDEX_OBJECT] : CONSTANTS
}

function constant(key: string, bytes: Uint8Array): NewObject {
  return { key, body: { bytes }, size: bytes.length, contentType: JSON_TYPE, cacheControl: SHORT }
}
