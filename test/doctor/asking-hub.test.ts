import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { examineRegistry } from '../../src/doctor/examine.ts'

test.each(['docker.io/library/alpine', 'registry-1.docker.io/alpine', 'index.docker.io'])(
  '%s is asked where the API of Docker Hub is',
  async target => {
    const asked: string[] = []
    // A proxy sees whom one wants to be led to, and leads nowhere.
    const proxy = createServer().on('connect', ({ url = '' }, socket) => {
      asked.push(url)
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    })
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void proxy.close())
    const { port } = proxy.address() as AddressInfo
    const report = await examineRegistry(target, { env: { HTTPS_PROXY: `http://127.0.0.1:${port}` } })
    expect(new Set(asked)).toEqual(new Set(['registry-1.docker.io:443']))
    expect(report.url).toBe('https://registry-1.docker.io')
  },
)
