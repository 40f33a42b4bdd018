import { BlockList, isIP } from 'node:net'

/** How near an address is: this machine, its link, its private network, or anything else (also every name but localhost). */
export type Reach = 'loopback' | 'link-local' | 'private' | 'public'

/** How near the host of a URL is, judged by its spelling alone: `hostname` as the URL class gives it, IPv6 in brackets. */
export function reachOf(hostname: string): Reach {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  if (host === 'localhost' || host.endsWith('.localhost')) return 'loopback'
  const version = isIP(host)
  if (version === 0) return 'public'
  const family = version === 4 ? 'ipv4' : 'ipv6'
  return NEAR.find(({ list }) => list.check(host, family))?.reach ?? 'public'
}

/** Special-purpose ranges (RFC 6890; RFC 6598 for 100.64.0.0/10). IPv6 forms of IPv4 addresses match the IPv4 ranges. */
const NEAR: readonly { readonly reach: Reach; readonly list: BlockList }[] = [
  { reach: 'loopback', list: listOf(['127.0.0.0', 8], ['0.0.0.0', 8], ['::', 127]) },
  { reach: 'link-local', list: listOf(['169.254.0.0', 16], ['fe80::', 10]) },
  {
    reach: 'private',
    list: listOf(['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['100.64.0.0', 10], ['fc00::', 7]),
  },
]

function listOf(...subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, isIP(network) === 4 ? 'ipv4' : 'ipv6')
  return list
}
