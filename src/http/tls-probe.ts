import { isIP } from 'node:net'
import { connect, createSecureContext } from 'node:tls'
import { systemCode } from '../errors.ts'
import { isForeignProtocol } from './network-error.ts'

/**
 * Whether a server on this machine speaks TLS, found out by one handshake in which nothing is sent and no certificate is judged.
 * undefined where nobody listens there. `patience` in ms: how long silence is borne.
 */
export async function speaksTls(host: string, port: number, patience: number = PATIENCE): Promise<boolean | undefined> {
  return new Promise(resolve => {
    // An empty list of authorities spares the parsing of all of Node's, which nothing here needs.
    const secureContext = createSecureContext({ ca: [] })
    const servername = isIP(host) === 0 ? { servername: host } : {}
    const socket = connect({ host, port, secureContext, rejectUnauthorized: false, ...servername })
    const end = (answer: boolean | undefined): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(patience, () => end(false))
    socket.once('secureConnect', () => end(true))
    socket.on('error', error => end(judge(error)))
  })
}

/** How long a server may be silent before it counts as one that speaks no TLS, in ms. */
const PATIENCE = 3000

function judge(error: Error): boolean | undefined {
  const code = systemCode(error) ?? ''
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL') return undefined
  // What OpenSSL says besides "this is no TLS" was said to it by the other end, in TLS: an alert, an old version.
  return (code.startsWith('ERR_SSL_') || code === 'EPROTO') && !isForeignProtocol(error, code)
}
