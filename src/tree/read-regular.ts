import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/**
 * Reads a regular file whole, and says what it was once it was read. Undefined where what stands there now is none, or is larger than `largest` bytes: whatever
 * was found there before may have been replaced by a pipe or a device, which must neither hold up the process nor fill its memory.
 * @throws the system error of opening or reading.
 */
export function readRegular(
  path: string,
  largest: number,
): { readonly bytes: Buffer; readonly stats: BigIntStats } | undefined {
  const file = openSync(path, FLAGS)
  try {
    const found = fstatSync(file)
    const { size } = found
    if (!found.isFile() || size > largest) return undefined
    const bytes = Buffer.allocUnsafeSlow(size)
    let length = 0
    for (let count = -1; count !== 0 && length < size; length += count)
      count = readSync(file, bytes, length, size - length, length)
    return { bytes: bytes.subarray(0, length), stats: fstatSync(file, { bigint: true }) }
  } finally {
    closeSync(file)
  }
}

/** Without O_NONBLOCK, opening a pipe waits for its writer; for files it changes nothing. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
