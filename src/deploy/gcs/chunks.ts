/** A part of a file that is sent at once. */
export interface Chunk {
  readonly bytes: Uint8Array
  /** Where in the file it begins. */
  readonly offset: number
  readonly isLast: boolean
}

/** Gathers pieces into chunks of one size, the last of what is left, each in memory of its own. */
export async function* chunksOf(
  pieces: AsyncIterable<Uint8Array>,
  { size, chunk }: { readonly size: number; readonly chunk: number },
): AsyncGenerator<Chunk, void> {
  let offset = 0
  let [bytes, filled]: [Uint8Array | undefined, number] = [undefined, 0]
  for await (const piece of pieces) {
    for (let taken = 0; taken < piece.length; ) {
      bytes ??= Buffer.allocUnsafeSlow(Math.max(1, Math.min(chunk, size - offset)))
      const part = piece.subarray(taken, taken + bytes.length - filled)
      bytes.set(part, filled)
      taken += part.length
      filled += part.length
      if (filled < bytes.length) continue
      const isLast = offset + filled === size
      yield { bytes, offset, isLast }
      offset += filled
      bytes = undefined
      filled = 0
    }
  }
}
