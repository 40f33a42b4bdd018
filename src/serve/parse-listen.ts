import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'

/** Where to listen. Port 0 takes a free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/**
 * Parses `5000`, `:5000`, `host:port` or `[address]:port`. Without a host it is 127.0.0.1: other machines are let in by name only
 * (`0.0.0.0:5000`, `[::]:5000`).
 * @throws RegistrishError `usage`.
 */
export function parseListen(text: string): ListenAddress {
  const match = LISTEN.exec(text)?.groups
  const port = Number(match?.['port'])
  if (match === undefined || port > 65_535) {
    throw new RegistrishError('usage', `not an address to listen on: ${quote(text)}`, {
      hint: 'write host:port, such as 127.0.0.1:5000, 0.0.0.0:5000 or [::1]:5000; a port is 0 to 65535',
    })
  }
  return { host: match['address'] ?? match['host'] ?? LOOPBACK, port }
}

/** The URL at which a local client finds a server that listens on `address`: a wildcard is spoken to on loopback. */
export function urlOf({ host, port }: ListenAddress): string {
  const reachable = host === '0.0.0.0' ? LOOPBACK : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

const LOOPBACK = '127.0.0.1'
const LISTEN =
  /^(?:(?:\[(?<address>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?))?:)?(?<port>\d{1,5})$/
