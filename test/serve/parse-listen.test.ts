import { expect, test } from 'vitest'
import { parseListen, urlOf } from '../../src/serve/parse-listen.ts'

test.for([
  ['5000', '127.0.0.1', 5000],
  [':5000', '127.0.0.1', 5000],
  ['0.0.0.0:5000', '0.0.0.0', 5000],
  ['localhost:0', 'localhost', 0],
  ['my-host.example:65535', 'my-host.example', 65_535],
  ['[::]:5000', '::', 5000],
  ['[::1]:80', '::1', 80],
  ['[fe80::1%eth0]:80', 'fe80::1%eth0', 80],
] as const)('%s listens on %s, port %i', ([text, host, port]) => {
  expect(parseListen(text)).toEqual({ host, port })
})

test.for([
  '',
  ':',
  'localhost',
  '65536',
  '1.2.3.4:99999',
  '::1:5000',
  '[::1]',
  'http://localhost:5000',
  'a b:1',
  '-1',
  '5000 ',
  'host:',
])('%j is no address to listen on, and the hint shows some', text => {
  expect(() => parseListen(text)).toThrow(
    expect.objectContaining({ code: 'usage', hint: expect.stringContaining('127.0.0.1:5000') }),
  )
})

test.for([
  [{ host: '0.0.0.0', port: 1 }, 'http://127.0.0.1:1'],
  [{ host: '::', port: 1 }, 'http://[::1]:1'],
  [{ host: '::1', port: 1 }, 'http://[::1]:1'],
  [{ host: 'localhost', port: 1 }, 'http://localhost:1'],
] as const)('the URL of %j is %s', ([address, url]) => {
  expect(urlOf(address)).toBe(url)
})
