import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ExamineOptions, examineRegistry } from '../../src/doctor/examine.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** An address of this machine that is not known as one of its own: nothing says that plain HTTP is safe there. */
const ELSEWHERE = '0.0.0.0'

describe('credentials', () => {
  test('are not sent in plain HTTP to a host that was only found to speak it', async () => {
    const { sent } = await examine(ELSEWHERE)
    expect(sent).toEqual([])
  })

  test.each<[string, string, ExamineOptions]>([
    ['to this machine', '127.0.0.1', {}],
    ['where that was asked for', ELSEWHERE, { plainHttp: true }],
    ['where the address says so', `http://${ELSEWHERE}`, {}],
  ])('are sent in plain HTTP %s', async (_, address, options) => {
    const { sent } = await examine(address, options)
    expect(sent[0]).toBe(`Basic ${Buffer.from('user:secret').toString('base64')}`)
  })
})

/** Examines a private registry, and says what it was sent to log in. */
async function examine(address: string, options: ExamineOptions = {}): Promise<{ readonly sent: readonly string[] }> {
  const sent: string[] = []
  const server = createServer((request, response) => {
    const { authorization } = request.headers
    if (authorization !== undefined) sent.push(authorization)
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="private"' }).end()
  })
  await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const auth = Buffer.from('user:secret').toString('base64')
  const registry = `${address.replace('http://', '')}:${port}`
  const authFile = join(await makeTemporaryFolder(), 'auth.json')
  await writeFile(authFile, JSON.stringify({ auths: { [registry]: { auth } } }))
  await examineRegistry(`${address}:${port}/app:latest`, { authFile, env: {}, ...options })
  return { sent }
}
