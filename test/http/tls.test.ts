import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listAuthorities } from '../../src/http/certificates.ts'
import { speaksTls } from '../../src/http/tls-probe.ts'
import { createRegistrySource } from '../../src/registry/registry-source.ts'
import { failureOf, startRegistry } from '../registry/registry-support.ts'
import { makeImage } from '../support/made-images.ts'
import { describeWithProgram } from '../support/optional-program.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { freePort, makeClient, startServer } from './http-support.ts'
import { startProxy } from './proxy-support.ts'

describeWithProgram('openssl', ['version'], 'certificates', () => {
  test('of an authority of one’s own are trusted with its file, and not without', async () => {
    const { ca, tls } = await makeCertificates()
    const registry = await startRegistry({ tls, repositories: { app: { latest: await makeImage() } } })
    const url = new URL('/v2/', registry.url)
    expect((await makeClient({ caFile: ca }).request(url)).status).toBe(200)
    const error = await failureOf(makeClient().request(url))
    expect(error).toMatchObject({ code: 'unreachable', hint: 'name the authority that signed it: --ca-file FILE' })
    expect(error.message).toContain(`the certificate of ${registry.host} is not trusted`)
  })

  test('of NODE_EXTRA_CA_CERTS are trusted beside those of the file', async () => {
    const [one, other] = [await makeCertificates(), await makeCertificates()]
    const client = makeClient({ caFile: one.ca, env: { NODE_EXTRA_CA_CERTS: other.ca } })
    for (const { tls } of [one, other]) {
      const registry = await startRegistry({ tls })
      expect((await client.request(new URL('/v2/', registry.url))).status).toBe(200)
    }
  })

  test('of a file come on top of Node’s own', async () => {
    const { ca } = await makeCertificates()
    const list = listAuthorities(ca, {})
    expect(list).toHaveLength(rootCertificates.length + 1)
    expect(list).toEqual(expect.arrayContaining([...rootCertificates]))
  })

  test('for another name are refused', async () => {
    const { ca, tls } = await makeCertificates()
    const { port } = await startRegistry({ tls })
    const error = await failureOf(makeClient({ caFile: ca }).request(new URL(`https://localhost:${port}/v2/`)))
    expect(error.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  test('let a registry on this machine be found to speak HTTPS, without a flag', async () => {
    const { ca, tls } = await makeCertificates()
    const image = await makeImage()
    const registry = await startRegistry({ tls, repositories: { app: { latest: image } } })
    const trusting = createRegistrySource({ registry: registry.host, caFile: ca, env: {}, home: '/nowhere' })
    onTestFinished(() => trusting.close?.())
    expect(await trusting.resolve('app', 'latest')).toEqual(image.root)
    const doubting = createRegistrySource({ registry: registry.host, env: {}, home: '/nowhere' })
    onTestFinished(() => doubting.close?.())
    expect((await failureOf(doubting.resolve('app', 'latest'))).message).toContain('is not trusted')
    expect(registry.log).toHaveLength(1)
  })

  test('are judged through a proxy too', async () => {
    const { ca, tls } = await makeCertificates()
    const registry = await startRegistry({ tls })
    const proxy = await startProxy(registry.port)
    const env = { HTTPS_PROXY: proxy.host }
    const url = new URL('https://registry.example:8443/v2/')
    expect((await makeClient({ caFile: ca, env }).request(url)).status).toBe(200)
    expect((await failureOf(makeClient({ env }).request(url))).message).toContain('is not trusted')
    expect(proxy.log).toEqual(Array(2).fill('CONNECT registry.example:8443'))
  })

  test('stand behind a probe that judges none', async () => {
    const { tls } = await makeCertificates()
    expect(await speaksTls('127.0.0.1', (await startRegistry({ tls })).port)).toBe(true)
  })
})

describe('a file of authorities', () => {
  test('that is not there is an error', async () => {
    const error = await failureOf(makeClient({ caFile: '/nowhere/ca.pem' }).request(new URL('http://127.0.0.1:1/')))
    expect(error).toMatchObject({ code: 'usage' })
    expect(error.message).toContain('/nowhere/ca.pem')
  })

  test.each(['', 'hello', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
    'that holds no certificate is an error: %j',
    async text => {
      const caFile = join(await makeTemporaryFolder(), 'ca.pem')
      await writeFile(caFile, text)
      const error = await failureOf(makeClient({ caFile }).request(new URL('http://127.0.0.1:1/')))
      expect(error.code).toBe('usage')
      expect(error.message).toContain(caFile)
    },
  )
})

describe('whether a server speaks TLS', () => {
  test('is no where it speaks HTTP, and costs one connection', async () => {
    const { port, connections, requests } = await startServer((_, response) => response.end())
    expect(await speaksTls('127.0.0.1', port)).toBe(false)
    expect([connections(), requests.length]).toEqual([1, 0])
  })

  test('is no where it hangs up, or is silent', async () => {
    for (const isSilent of [false, true]) {
      const server = createServer(socket => {
        socket.on('error', () => {})
        if (!isSilent) socket.destroy()
      })
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void server.close())
      expect(await speaksTls('127.0.0.1', (server.address() as AddressInfo).port, 50)).toBe(false)
    }
  })

  test('is unknown where nobody listens', async () => {
    expect(await speaksTls('127.0.0.1', await freePort())).toBeUndefined()
  })
})

/** Makes an authority and a certificate of it for 127.0.0.1 and registry.example. */
async function makeCertificates(): Promise<{
  readonly ca: string
  readonly tls: { readonly key: string; readonly cert: string }
}> {
  const folder = await makeTemporaryFolder()
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority')
  openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=test server')
  await writeFile(join(folder, 'server.ext'), 'subjectAltName = IP:127.0.0.1, DNS:registry.example\n')
  openssl(
    ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'],
    ...['-extfile', 'server.ext', '-out', 'server.pem'],
  )
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return { ca: join(folder, 'ca.pem'), tls: { key: read('server.key'), cert: read('server.pem') } }
}
