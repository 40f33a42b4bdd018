import { fstatSync, read } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { RegistrishError } from '../errors.ts'
import { createBufferPool } from './buffers.ts'
import type { FileBody } from './handler.ts'
import type { OpenFile } from './open-inside.ts'

/**
 * Sends the parts of a file as the body of a response whose head is written, at the client's pace, and closes the file. Ends quietly where the client went away.
 * @throws RegistrishError `size-mismatch` where the file was truncated or written to meanwhile, before its last byte was sent: the caller breaks the
 *   connection, since the right length with wrong bytes would be worse. A file that was replaced by another is sent as it was opened.
 */
export async function sendFile(response: ServerResponse, { file, segments }: FileBody): Promise<void> {
  try {
    for (const segment of segments) {
      const sent =
        segment instanceof Uint8Array ? await write(response, segment) : await sendPart({ response, file, ...segment })
      if (!sent) return
    }
    response.end()
  } finally {
    file.close()
  }
}

interface Part {
  readonly response: ServerResponse
  readonly file: OpenFile
  readonly offset: number
  readonly length: number
}

async function sendPart(part: Part): Promise<boolean> {
  const end = part.offset + part.length
  for (let position = part.offset; position < end; ) {
    if (part.response.destroyed) return false
    const buffer = pool.borrow(end - position)
    let sent = false
    try {
      const count = await readAt(part.file.fd, buffer, Math.min(buffer.length, end - position), position)
      position += count
      if (count === 0 || (position === end && !isUnchanged(part.file))) throw changed()
      sent = await write(part.response, buffer.subarray(0, count))
    } finally {
      pool.giveBack(buffer, sent)
    }
    if (!sent) return false
  }
  return true
}

function changed(): RegistrishError {
  return new RegistrishError('size-mismatch', 'a blob was changed while it was being sent', {
    side: 'source',
    hint: 'registrish verify says whether it is whole',
  })
}

const pool = createBufferPool()

function isUnchanged({ fd, stamp }: OpenFile): boolean {
  const { size, mtimeMs } = fstatSync(fd)
  return size === stamp.size && mtimeMs === stamp.mtimeMs
}

function readAt(fd: number, buffer: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, length, position, (error, count) => (error === null ? resolve(count) : reject(error)))
  })
}

/** Writes a chunk and waits until the kernel has all of it, so that its buffer is free again; false where the client went away. */
function write(response: ServerResponse, chunk: Uint8Array): Promise<boolean> {
  return new Promise(resolve => {
    const onClose = (): void => resolve(false)
    response.once('close', onClose)
    response.write(chunk, error => {
      response.off('close', onClose)
      resolve(error === null || error === undefined)
    })
  })
}
