import { readFileSync } from 'node:fs'

/** The stores of objects that tests run: real servers, each of another making. */
export type StoreKind = 'versitygw' | 'minio'

/** `BUCKET.DOMAIN` is a bucket's own host, without which no client pulls from it: names of images have no room for a bucket. */
export const storeDomains: Readonly<Record<StoreKind, string>> = { versitygw: 'versitygw.test', minio: 'minio.test' }

/** The bucket whose host has an address, at both stores. */
export const NAMED_BUCKET = 'registrish'

/** Whether the stores and the host of that bucket have addresses: a line in the hosts file is one that docker, podman, crane and Node all read. */
export function areStoresNamed(): boolean {
  const lines = readFileSync('/etc/hosts', 'utf8')
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim().split(/\s+/))
  const named = new Set(lines.filter(([address]) => address === '127.0.0.1').flat())
  return Object.values(storeDomains).every(domain => named.has(domain) && named.has(`${NAMED_BUCKET}.${domain}`))
}
