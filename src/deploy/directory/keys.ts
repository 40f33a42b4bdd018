import { join } from 'node:path'
import { RegistrishError } from '../../errors.ts'
import { asDigest, type Digest, quote } from '../../oci/digest.ts'
import { parseRequestPath } from '../../tree/layout.ts'
import { tagOf } from '../content.ts'

/** Bytes of a key: what a path can hold, without the folder's own. */
export const LONGEST_KEY = 1024

/**
 * The file of a key (absolute).
 * @throws RegistrishError `name-invalid` for a key that is no path below the folder, `limit` for one that is too long.
 */
export function fileOf(folder: string, key: string): string {
  if (Buffer.byteLength(key) > LONGEST_KEY)
    throw new RegistrishError('limit', `the key ${quote(key)} is too long`, { side: 'target' })
  if (!key.includes('\0') && key.split('/').every(part => part !== '' && part !== '.' && part !== '..'))
    return join(folder, key)
  throw new RegistrishError('name-invalid', `${quote(key)} is no path of a file`, { side: 'target' })
}

/** The digest of what stands under a key, where the key says it: of a blob, or of a manifest by digest. */
export function digestInKey(key: string): Digest | undefined {
  const target = parseRequestPath(`/${key}`)
  return target?.kind === 'blob' || target?.kind === 'manifest' ? asDigest(tagOf(key)) : undefined
}
