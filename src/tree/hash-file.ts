import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { throwIfAborted } from '../errors.ts'
import { type Algorithm, createDigester, type Digest, digestOf } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'

/** Files up to this size are read at once, larger ones in pieces of it, in bytes. */
const PIECE = 1024 * 1024

export interface HashOptions extends CallOptions {
  /** Told of every piece, in bytes. */
  readonly onBytes?: (bytes: number) => void
}

/** The digest of a file, given its size in bytes. Fails with the system's error. */
export async function hashFile(
  path: string,
  { size, algorithm }: { readonly size: number; readonly algorithm: Algorithm },
  { signal, onBytes }: HashOptions = {},
): Promise<Digest> {
  throwIfAborted(signal)
  if (size <= PIECE) {
    await setImmediate()
    const bytes = readFileSync(path)
    onBytes?.(bytes.length)
    return digestOf(bytes, algorithm)
  }
  const digester = createDigester(algorithm)
  const handle = await open(path, 'r')
  try {
    const buffer = Buffer.allocUnsafe(PIECE)
    for (;;) {
      throwIfAborted(signal)
      const { bytesRead } = await handle.read(buffer, 0, PIECE)
      if (bytesRead === 0) return digester.digest()
      digester.update(buffer.subarray(0, bytesRead))
      onBytes?.(bytesRead)
    }
  } finally {
    await handle.close()
  }
}
