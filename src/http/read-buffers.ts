import type { OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'

/** Bytes that one read of a socket may bring: what it costs is by the read, not by the byte. */
const READ_SIZE = 512 * 1024
/** Buffers kept for later: three for each of some connections, one that is read into, one that waits, one that is used. */
const MOST_FREE = 24

/**
 * Memory that sockets read into, used again and again: fresh memory for each read costs more time than reading does, half of a download on a
 * loopback interface. What was read is handed on as it is, not copied, and its buffer comes back with {@link giveBack}.
 */
export interface ReadBuffers {
  /** For `net.connect`. */
  readonly onread: OnReadOpts
  /** Says that a chunk, and all that was read before it, is not looked at any more. Does nothing for memory of others. */
  giveBack(chunk: Uint8Array): void
}

/** Makes the {@link ReadBuffers} of some connections; memory is taken as they need it. */
export function createReadBuffers(): ReadBuffers {
  const free: ArrayBuffer[] = []
  /** How far each buffer in use was filled. */
  const filled = new WeakMap<ArrayBufferLike, number>()
  return {
    onread: {
      buffer: () => new Uint8Array(free.pop() ?? new ArrayBuffer(READ_SIZE)),
      callback(this: Duplex, length: number, buffer: Uint8Array): boolean {
        filled.set(buffer.buffer, length)
        return this.push(Buffer.from(buffer.buffer as ArrayBuffer, 0, length))
      },
    } as OnReadOpts,
    giveBack(chunk) {
      const { buffer } = chunk
      // Only the end of what was read shows that nobody has a piece of the same buffer still before them.
      if (filled.get(buffer) !== chunk.byteOffset + chunk.byteLength) return
      filled.delete(buffer)
      if (free.length < MOST_FREE) free.push(buffer as ArrayBuffer)
    },
  }
}
