import type { Digest } from '../../src/oci/digest.ts'
import type { Fault } from './memory-source.ts'

/* The ways in which a memory source can misbehave when it is opened. */

/** Applies a fault to one digest only. */
export function only(digest: Digest, fault: Fault): Fault {
  return (opening, answer) => (opening.digest === digest ? fault(opening, answer) : answer)
}

/** Applies a fault to the first `times` openings of each digest. */
export function first(times: number, fault: Fault): Fault {
  return (opening, answer) => (opening.earlier < times ? fault(opening, answer) : answer)
}

/** Gives other bytes of the same length. */
export const wrongBytes: Fault = (_, answer) => ({
  ...answer,
  ...(answer.bytes === undefined
    ? {}
    : { bytes: answer.bytes.map((byte, position) => (position === 0 ? byte ^ 1 : byte)) }),
})

/** Ends, as if all were well, when `length` bytes of the content are out. */
export function truncated(length: number): Fault {
  return (_, answer) => ({ ...answer, bytes: answer.bytes?.subarray(0, length) })
}

/** Goes on with `extra` bytes after the last. */
export function surplus(extra: number): Fault {
  return (_, answer) => ({ ...answer, bytes: Buffer.concat([answer.bytes ?? new Uint8Array(), new Uint8Array(extra)]) })
}

/** Breaks before the byte at `position` of the content. */
export function breaksAt(position: number): Fault {
  return (_, answer) => ({ ...answer, breaksAt: position })
}

/** Breaks each time when `size` bytes more are out. */
export function breaksEvery(size: number): Fault {
  return (_, answer) => ({ ...answer, breaksAt: answer.offset + size })
}

/** Waits for a promise before the byte at `position`. */
export function waitsAt(position: number, until: Promise<unknown>): Fault {
  return (_, answer) => ({ ...answer, waitsAt: position, until })
}

/** Gives the content from its first byte on whatever was asked for. */
export const ignoresOffset: Fault = (_, answer) => ({ ...answer, offset: 0 })

/** Does not have it. */
export const isAbsent: Fault = (_, answer) => ({ ...answer, bytes: undefined })

/** Throws instead of answering. */
export function refuses(error: Error): Fault {
  return () => {
    throw error
  }
}

/** A promise and what ends it. */
export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

/** Makes a {@link Gate}: the test's way to let something wait. */
export function createGate(): Gate {
  let open = (): void => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open: () => open() }
}
