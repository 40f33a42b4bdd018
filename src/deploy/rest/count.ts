/** Tells of bytes as they go, and takes them back where a try fails. */
export interface Counter {
  /** Passes a body on, telling of each piece. */
  count(body: Uint8Array | AsyncIterable<Uint8Array>): Uint8Array | AsyncIterable<Uint8Array>
  /** What was told of is not sent: a body may be read on for a moment after its request has failed, which is told of no more. */
  takeBack(): void
}

/** Makes the {@link Counter} of one try. */
export function createCounter(onBytes: ((bytes: number) => void) | undefined): Counter {
  let [sent, isOver] = [0, false]
  const tell = (bytes: number): void => {
    if (isOver) return
    sent += bytes
    onBytes?.(bytes)
  }
  return {
    count(body) {
      if (!(body instanceof Uint8Array)) return countPieces(body, tell)
      tell(body.length)
      return body
    },
    takeBack() {
      isOver = true
      if (sent > 0) onBytes?.(-sent)
    },
  }
}

async function* countPieces(
  body: AsyncIterable<Uint8Array>,
  tell: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void> {
  for await (const piece of body) {
    tell(piece.length)
    yield piece
  }
}
