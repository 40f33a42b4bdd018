import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { NewObject } from '../../../src/deploy/store.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { startStore } from './support.ts'

/** One that is large enough for the store to be asked whether it checks hashes. */
async function makeFile(): Promise<NewObject> {
  const bytes = randomBytes(2 * 1024 * 1024)
  const file = join(await makeTemporaryFolder(), 'body')
  await writeFile(file, bytes)
  const head = { key: 'v2/a', size: bytes.length, contentType: 'a/b', cacheControl: 'no-cache' }
  return { ...head, body: { file }, digest: digestOf(bytes) }
}

test('a write needs no right to delete, also where the store does not check hashes', async () => {
  const { store, server } = await startStore({ checkPayload: false })
  server.fault({ kind: 'access-denied', operation: 'DeleteObject' })
  expect(await store.put(await makeFile())).toBeDefined()
  expect(server.faults.left).toBe(0)
})

test('a write that is aborted while it finds out is aborted', async () => {
  const { store, server } = await startStore({ checkPayload: false }, { sleep: () => Promise.resolve(ended.abort()) })
  const ended = new AbortController()
  server.fault({ kind: 'internal-error', operation: 'DeleteObject', times: 100 })
  const written = store.put(await makeFile(), { signal: ended.signal })
  await expect(written).rejects.toMatchObject({ code: 'aborted' })
})
