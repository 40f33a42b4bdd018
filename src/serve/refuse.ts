import type { Socket } from 'node:net'
import { systemCode } from '../errors.ts'
import type { Connections } from './connections.ts'
import { errorAnswer } from './error-answer.ts'

/** Answers what is no request (RFC 9110 §15.5), unless an answer is on its way, into which nothing may be written. */
export function refuse(connections: Connections, error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || connections.isBusy(socket) || systemCode(error) === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const [status, reason, code] = REFUSALS[systemCode(error) ?? ''] ?? BAD_REQUEST
  const { headers, body } = errorAnswer(status, code)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}Connection: close\r\n\r\n`)
  if (body instanceof Uint8Array) socket.write(body)
  socket.destroySoon()
}

type Refusal = readonly [status: number, reason: string, code: 'BAD_REQUEST' | 'REQUEST_TIMEOUT']
const BAD_REQUEST: Refusal = [400, 'Bad Request', 'BAD_REQUEST']
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'BAD_REQUEST'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'REQUEST_TIMEOUT'],
}
