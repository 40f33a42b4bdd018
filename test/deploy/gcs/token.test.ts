import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createAuthorizer } from '../../../src/deploy/gcs/token.ts'
import { expectCode, made } from '../../contract/object-store-support.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { startStore } from './support.ts'

/* With the real library: a workload identity, as CI has one, whose tokens a server of the test's own gives. */

afterEach(() => void vi.unstubAllEnvs())

/** Names the file of a workload identity; gives the requests for tokens that came. */
async function stubIdentity(statuses: number[] = []): Promise<readonly string[]> {
  const asked: string[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    asked.push(body)
    const status = statuses.shift() ?? 200
    const token = {
      access_token: `token-${asked.length}`,
      token_type: 'Bearer',
      expires_in: 3600,
      issued_token_type: 'x',
    }
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(status === 200 ? token : { error: 'invalid_grant' }))
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const folder = await makeTemporaryFolder()
  const [credentials, subject] = [join(folder, 'identity.json'), join(folder, 'subject')]
  await writeFile(subject, 'from-ci')
  await writeFile(
    credentials,
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/ci',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
      credential_source: { file: subject },
    }),
  )
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', credentials)
  vi.stubEnv('GOOGLE_CLOUD_PROJECT', 'project')
  return asked
}

test('one token serves many requests, and a new one is got where it is refused', async () => {
  const asked = await stubIdentity()
  const { store, server } = await startStore({ tokens: ['token-1'] }, { authorize: createAuthorizer() })
  for (const key of ['v2/a', 'v2/b']) expect(await store.put(made(key, key))).toBeDefined()
  expect(asked).toHaveLength(1)
  expect(asked[0]).toContain('from-ci')
  expect(asked[0]).toContain(encodeURIComponent('https://www.googleapis.com/auth/devstorage.read_write'))
  expect(server.bucket.objects.size).toBe(2)
  const later = await startStore({ tokens: ['token-3'] }, { authorize: createAuthorizer() })
  expect(await later.store.put(made('v2/a', 'a'))).toBeDefined()
  expect(asked).toHaveLength(3)
})

test('an identity that is refused is said to be, and no secret of it', async () => {
  await stubIdentity([400, 400])
  const { store } = await startStore({}, { authorize: createAuthorizer() })
  const failed = await store.put(made('v2/a', 'a')).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 'unauthorized', side: 'target', hint: expect.stringContaining('gcloud auth') })
  expect(String(failed)).not.toContain('from-ci')
})

test('what gives tokens may be out of order for a moment', async () => {
  // The library waits between its own tries.
  const { setTimeout } = globalThis
  vi.stubGlobal('setTimeout', (action: () => void) => setTimeout(action, 0))
  onTestFinished(() => void vi.unstubAllGlobals())
  await stubIdentity([503, 503, 503, 503])
  const { store, paused } = await startStore({}, { authorize: createAuthorizer() })
  expect(await store.put(made('v2/a', 'a'))).toBeDefined()
  expect(paused.length).toBeGreaterThan(0)
})

test('a file that is not there', async () => {
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/key.json')
  const { store } = await startStore({}, { authorize: createAuthorizer() })
  await expectCode(store.head('v2/a'), 'unauthorized', 'target')
})
