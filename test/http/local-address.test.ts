import { expect, test } from 'vitest'
import { reachOf } from '../../src/http/local-address.ts'

test.each([
  ['http://localhost:5000', 'loopback'],
  ['http://a.localhost', 'loopback'],
  ['http://localhost.', 'loopback'],
  ['http://127.8.9.1', 'loopback'],
  ['http://0x7f.1', 'loopback'],
  ['http://2130706433', 'loopback'],
  ['http://0.0.0.0', 'loopback'],
  ['http://[::1]:5000', 'loopback'],
  ['http://[::]', 'loopback'],
  ['http://[::ffff:127.0.0.1]', 'loopback'],
  ['http://169.254.169.254', 'link-local'],
  ['http://[::ffff:169.254.169.254]', 'link-local'],
  ['http://[fe80::1]', 'link-local'],
  ['http://10.1.2.3', 'private'],
  ['http://172.31.0.1', 'private'],
  ['http://192.168.1.1', 'private'],
  ['http://100.64.0.1', 'private'],
  ['http://[fd00::1]', 'private'],
  ['http://172.32.0.1', 'public'],
  ['http://8.8.8.8', 'public'],
  ['http://[2606:4700::1]', 'public'],
  ['http://registry.example', 'public'],
  ['http://notlocalhost', 'public'],
])('%s is %s', (url, reach) => {
  expect(reachOf(new URL(url).hostname)).toBe(reach)
})
