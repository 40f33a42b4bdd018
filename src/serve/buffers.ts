/** Buffers that blobs are read into, lent out one chunk at a time. */
export interface BufferPool {
  /** A buffer for up to `wanted` bytes; it may be smaller. */
  borrow(wanted: number): Buffer
  /** Takes a buffer back, to lend it again or, where something may still read from it, to forget it. */
  giveBack(buffer: Buffer, reusable: boolean): void
}

/**
 * Creates a pool. Large reads are what makes blobs fast (of 64 KB to 2 MB, 512 KB were the first that were no longer slower than larger ones), but a client
 * that does not read holds its buffer: beyond `most` large buffers at a time (default 64 MB together) the rest get small ones.
 */
export function createBufferPool(most: number = 128): BufferPool {
  const free: Buffer[] = []
  let lent = 0
  return {
    borrow(wanted): Buffer {
      if (wanted <= SMALL || lent >= most) return Buffer.allocUnsafeSlow(Math.min(wanted, SMALL))
      lent += 1
      return free.pop() ?? Buffer.allocUnsafeSlow(LARGE)
    },
    giveBack(buffer, reusable): void {
      if (buffer.length !== LARGE) return
      lent -= 1
      if (reusable && free.length < KEPT) free.push(buffer)
    },
  }
}

/** Bytes. */
const LARGE = 512 * 1024
const SMALL = 32 * 1024
/** Free buffers that are kept for the next blob. */
const KEPT = 16
