import type { Server } from 'node:http'
import { type ErrorCode, RegistrishError, systemCode } from '../errors.ts'
import type { ListenAddress } from './parse-listen.ts'

/**
 * Makes a server listen, and gives its port.
 * @throws RegistrishError `conflict` where the address is taken, `io` where it may not be used, `usage` where it is not one of this machine.
 */
export function bind(server: Server, { host, port }: ListenAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(bindError(error, host, port))
    server.once('error', onError)
    server.listen({ host, port, backlog: 4096 }, () => {
      server.off('error', onError)
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
    })
  })
}

function bindError(cause: Error, host: string, port: number): RegistrishError {
  const what = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const known = REASONS[systemCode(cause) ?? '']
  if (known !== undefined) return new RegistrishError(known.code, `${known.text} ${what}`, { cause, hint: known.hint })
  return new RegistrishError('usage', `cannot listen on ${what}: ${cause.message}`, {
    cause,
    hint: 'the host must be an address of this machine: --listen 127.0.0.1:5000',
  })
}

const REASONS: Readonly<Record<string, { readonly code: ErrorCode; readonly text: string; readonly hint: string }>> = {
  EADDRINUSE: {
    code: 'conflict',
    text: 'another program already listens on',
    hint: 'choose another address, or let it take a free port: --listen 127.0.0.1:0',
  },
  EACCES: {
    code: 'io',
    text: 'no permission to listen on',
    hint: 'ports below 1024 belong to the administrator: --listen 127.0.0.1:5000',
  },
}
