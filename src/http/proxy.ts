import { BlockList, isIP } from 'node:net'
import { RegistrishError } from '../errors.ts'
import { reachOf } from './local-address.ts'

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy that a URL is fetched through, or undefined for none, by the rules of the Go tools (golang.org/x/net/http/httpproxy): `HTTPS_PROXY` for https,
 * `HTTP_PROXY` for http, either case, a value without a scheme is http; `NO_PROXY` is a comma list of `*`, names (with their subdomains), `.name` or `*.name`
 * (subdomains only), addresses and CIDR ranges, each with an optional port. This machine is never asked for through a proxy.
 * @throws RegistrishError `usage` where the value is no URL of a proxy that can be spoken to; the value itself, which may hold a password, is not repeated.
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const variable = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const value = read(env, variable)
  if (value === '' || reachOf(url.hostname) === 'loopback' || isExempt(url, read(env, 'NO_PROXY'))) return undefined
  const text = value.includes('://') ? value : `http://${value}`
  if (URL.canParse(text)) {
    const proxy = new URL(text)
    if (isUsable(proxy)) return proxy
  }
  throw new RegistrishError('usage', `the environment variable ${variable} is not the URL of an HTTP proxy`, {
    hint: 'write it as http://host:port, special characters in a password as %XX',
  })
}

/** Whether a proxy can be spoken to: its scheme is known, and its user and password can be decoded. */
function isUsable({ protocol, username, password }: URL): boolean {
  try {
    decodeURIComponent(`${username}:${password}`)
  } catch {
    return false
  }
  return protocol === 'http:' || protocol === 'https:'
}

function read(env: Environment, name: string): string {
  return (env[name.toLowerCase()]?.trim() || env[name]?.trim()) ?? ''
}

function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return list
    .split(/[,\s]+/)
    .filter(entry => entry !== '')
    .some(entry => entry === '*' || matches(entry.toLowerCase(), host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry.includes('/')) return isIP(host) !== 0 && inRange(host, entry)
  const bare = entry.replace(/^\[(.*)\]$/, '$1')
  const parts = isIP(bare) === 6 ? undefined : /^(.+):(\d+)$/.exec(entry)
  if (parts !== null && parts !== undefined && parts[2] !== port) return false
  const name = (parts?.[1] ?? bare).replace(/^\[(.*)\]$/, '$1').replace(/^\*\./, '.')
  if (isIP(host) !== 0) return host === name
  return host === name || host.endsWith(name.startsWith('.') ? name : `.${name}`)
}

function inRange(host: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/')
  const version = isIP(network)
  const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : -1
  if (version === 0 || prefix < 0 || prefix > (version === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(network, prefix, version === 4 ? 'ipv4' : 'ipv6')
  return list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6')
}
