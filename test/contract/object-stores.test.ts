import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openDirectoryStore } from '../../src/deploy/directory/store.ts'
import { openS3Store, type S3Options } from '../../src/deploy/s3/store.ts'
import type { ObjectStore } from '../../src/deploy/store.ts'
import { createMemoryStore, type MemoryStoreOptions } from '../support/memory-store.ts'
import { type S3Server, type S3ServerOptions, startS3Server } from '../support/s3-server.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { describeObjectStore } from './object-store.ts'
import { expectCode, keysOf, made, type OpenedStore } from './object-store-support.ts'

/* Every ObjectStore of ours, and the double that stands for one in other tests. */

/** Enough where nothing is sent in parts, or where parts are smaller. */
const large = 2_000_000

const openMemory =
  (options: MemoryStoreOptions = {}) =>
  async (): Promise<OpenedStore> => {
    const store = createMemoryStore({ ...options })
    return { store, acl: async key => (store.objects.get(key)?.secret === false ? 'public-read' : undefined) }
  }

describeObjectStore('a store in memory', openMemory(), { large, asksForAcl: true })
const odd = openMemory({ pageSize: 3, etags: 'opaque' })
describeObjectStore('a store in memory with pages of three and opaque etags', odd, { large })

const openFolder = async (): Promise<OpenedStore> => {
  const folder = join(await makeTemporaryFolder(), 'folder')
  const left = (): number => {
    const place = join(folder, '.registrish/incoming')
    return existsSync(place) ? readdirSync(place).length : 0
  }
  return { store: openDirectoryStore(folder), uploads: async () => left() }
}

describeObjectStore('a folder', openFolder, { large, noKeyBelowKey: true, noHeaders: true, noFolderKeys: true })

interface OpenedS3 extends OpenedStore {
  readonly server: S3Server
}

/** A bucket of the strict server. Pauses between tries are left out. */
const openS3 =
  (options: S3ServerOptions & Partial<Pick<S3Options, 'acl' | 'largestPut' | 'largestCopy' | 'bucket'>> = {}) =>
  async (): Promise<OpenedS3> => {
    const { acl, largestPut, largestCopy, bucket = 'bucket', ...strictness } = options
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/dev/null')
    onTestFinished(() => void vi.unstubAllEnvs())
    const server = await startS3Server(strictness)
    const store = await openS3Store({
      bucket,
      endpoint: server.url,
      region: 'us-east-1',
      pathStyle: true,
      env: {},
      sleep: async () => undefined,
      ...(acl === undefined ? {} : { acl }),
      ...(largestPut === undefined ? {} : { largestPut }),
      ...(largestCopy === undefined ? {} : { largestCopy }),
    })
    return {
      store,
      server,
      uploads: async () => server.bucket().uploads.size,
      acl: async key => server.bucket().objects.get(key)?.acl,
      close: () => server.close(),
    }
  }

describeObjectStore('S3', openS3())

const peculiar = openS3({
  acls: true,
  acl: 'public-read',
  pageSize: 3,
  etags: 'opaque',
  copyLimit: 1_500_000,
  largestCopy: 1_000_000,
  largestPut: 1_000_000,
  smallestPart: 1,
})
describeObjectStore('S3 with access lists, small pages, opaque etags and copies in parts', peculiar, {
  asksForAcl: true,
  large,
})

/** Faults that are told from others by the body of their answer alone. */
const WORDY = new Set(['request-timeout', 'conflict', 'clock-skew'])

describe('S3 in the hands of a store', () => {
  const open = async (options?: Parameters<typeof openS3>[0]): Promise<{ store: ObjectStore; server: S3Server }> => {
    const opened = await openS3(options)()
    onTestFinished(async () => {
      await opened.store.close()
      await opened.server.close()
    })
    return opened
  }

  test('tells its own clock', async () => {
    const { store, server } = await open()
    server.clockOffset = 600_000
    await store.put(made('v2/a', 'a'))
    expect(Math.abs(store.now() - Date.now() - 600_000)).toBeLessThan(60_000)
  })

  test('whose clock is far off is spoken to by that clock', async () => {
    const { store, server } = await open()
    server.clockOffset = 3_600_000
    expect(await store.put(made('v2/a', 'a'))).toBeDefined()
    expect(await keysOf(store)).toEqual(['v2/a'])
  })

  test('a bucket that is not there: not-found, at the target', async () => {
    const { store } = await open({ bucket: 'nobody' })
    await expectCode(keysOf(store), 'not-found', 'target')
    await expectCode(store.put(made('v2/a', 'a')), 'not-found', 'target')
  })

  test('a store without conditions says so', async () => {
    const { store, server } = await open({ conditions: 'refused' })
    await expectCode(store.put(made('v2/a', 'a'), { condition: 'absent' }), 'unsupported', 'target')
    expect(server.bucket().objects.size).toBe(0)
  })

  test('a write whose answer was lost may have happened: then its condition does not hold', async () => {
    const { store, server } = await open()
    server.fault({ kind: 'reset-answering', operation: 'PutObject', key: /^v2/ })
    expect(await store.put(made('v2/a', 'a'), { condition: 'absent' })).toBeUndefined()
    expect(await keysOf(store)).toEqual(['v2/a'])
  })

  test.each([
    'slow-down',
    'internal-error',
    'too-many-requests',
    'request-timeout',
    'conflict',
    'clock-skew',
    'reset-unread',
    'reset-reading',
    'reset-answering',
    'truncated',
  ] as const)('every call goes through after %s', async kind => {
    const { store, server } = await open()
    const again = async <T>(call: () => Promise<T>, operation?: string): Promise<T> => {
      server.fault({ kind, ...(operation === undefined ? {} : { operation }) })
      const result = await call()
      expect(server.faults.left).toBe(0)
      return result
    }
    expect(await again(() => store.put(made('v2/a', 'a')))).toBeDefined()
    // An answer to HEAD has no words in which S3 could say these.
    if (!WORDY.has(kind)) expect(await again(() => store.head('v2/a'))).toMatchObject({ size: 1 })
    expect(await again(() => store.get('v2/a', { limit: 9 }))).toMatchObject({ size: 1 })
    const copied = { key: 'v2/b', size: 1, contentType: 'a/b', cacheControl: 'no-cache' }
    expect(await again(async () => store.copy?.('v2/a', copied), 'CopyObject')).toBe(true)
    expect(await again(() => keysOf(store))).toEqual(['v2/a', 'v2/b'])
    await again(() => store.delete(['v2/a', 'v2/b']))
    expect(server.bucket().objects.size).toBe(0)
  })
})
