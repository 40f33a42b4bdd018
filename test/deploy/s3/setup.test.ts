import { describe, expect, test } from 'vitest'
import { applySetup, type SetupResult } from '../../../src/deploy/s3/setup.ts'
import type { BucketAdmin } from '../../../src/deploy/s3/setup-admin.ts'
import { BUCKET_PARTS, type BucketPart, type Document, documentOf } from '../../../src/deploy/s3/setup-documents.ts'
import { RegistrishError } from '../../../src/errors.ts'

/* What setting up does to a bucket, by a store that keeps what it is told. */

describe('a bucket that is not there', () => {
  test('is made and told all, who may read after what forbids it', async () => {
    const store = fakeStore({ there: false, told: {} })
    const results = await setUp(store)
    expect(outcomes(results)).toEqual({
      bucket: 'done',
      'public-access': 'unchanged',
      policy: 'done',
      acl: 'done',
      website: 'done',
      cors: 'done',
      lifecycle: 'done',
    })
    expect(store.log).toEqual(['create', 'policy', 'acl', 'website', 'cors', 'lifecycle'])
    expect(results.map(({ part }) => part)).toEqual(['bucket', ...BUCKET_PARTS])
  })

  test('changes no more the second time', async () => {
    const store = fakeStore({ there: false, told: { 'public-access': ALL_BLOCKED } })
    await setUp(store)
    expect(store.log.slice(0, 2)).toEqual(['create', 'public-access'])
    store.log.length = 0
    expect(Object.values(outcomes(await setUp(store)))).toEqual(Array(7).fill('unchanged'))
    expect(store.log).toEqual([])
  })

  test('is only told what is asked for', async () => {
    const store = fakeStore({ there: false, told: {} })
    await setUp(store, { parts: ['policy'] })
    expect(store.log).toEqual(['create', 'policy'])
  })
})

test('the names of resources follow the region of the bucket', async () => {
  const store = fakeStore({ region: 'cn-north-1' })
  await setUp(store, { parts: ['policy'] })
  expect(JSON.stringify(store.told.policy)).toContain('"arn:aws-cn:s3:::bucket/v2/*"')
})

test('what is of someone else is refused, and the rest is done', async () => {
  const store = fakeStore({ told: { website: { IndexDocument: { Suffix: 'index.html' } } } })
  const results = await setUp(store)
  expect(outcomes(results)).toMatchObject({ website: 'refused', cors: 'done' })
  expect(store.told.website).toEqual({ IndexDocument: { Suffix: 'index.html' } })
  expect(results.find(({ part }) => part === 'website')?.hint).toContain('delete-bucket-website')
})

test('a lifecycle that deletes the registry is not called right', async () => {
  const [ours] = documentOf('lifecycle', { bucket: 'bucket' })['Rules'] as readonly Document[]
  const expires = { ID: 'old', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 30 } }
  const store = fakeStore({ told: { lifecycle: { Rules: [expires, ours] } } })
  const results = await setUp(store, { parts: ['lifecycle'] })
  expect(results.at(-1)).toEqual({
    part: 'lifecycle',
    outcome: 'unchanged',
    text: 'has what is needed, and more',
    notes: [expect.stringContaining('deletes what lies under v2/')],
  })
})

describe('what the store does not know', () => {
  test.each(['public-access', 'website', 'cors', 'lifecycle'] as const)('%s: is told and passed over', async part => {
    const results = await setUp(fakeStore({ unknown: [part] }))
    expect(results.find(result => result.part === part)).toEqual({
      part,
      outcome: 'unknown',
      text: 'not known to this store',
    })
    expect(results).toHaveLength(7)
  })

  test.each(['policy', 'acl'] as const)('%s: without it nobody could read', async part => {
    await expect(setUp(fakeStore({ unknown: [part] }))).rejects.toMatchObject({ code: 'unsupported' })
  })
})

test('any other failure ends it', async () => {
  const store = fakeStore({})
  store.read = async () => {
    throw new RegistrishError('unauthorized', 'no')
  }
  await expect(setUp(store)).rejects.toMatchObject({ code: 'unauthorized' })
})

test('it is interrupted between two parts', async () => {
  const controller = new AbortController()
  const store = fakeStore({})
  const { write } = store
  store.write = async (part, document) => {
    controller.abort()
    await write(part, document)
  }
  await expect(setUp(store, { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' })
  expect(store.log).toEqual(['policy'])
})

test('a bucket that was listed is unlisted, and again the other way', async () => {
  const store = fakeStore({})
  await setUp(store, { parts: ['policy'] })
  await setUp(store, { parts: ['policy'], unlisted: true })
  expect(store.told.policy).toEqual(documentOf('policy', { bucket: 'bucket', unlisted: true }))
  await setUp(store, { parts: ['policy'] })
  expect(store.told.policy).toEqual(documentOf('policy', { bucket: 'bucket' }))
})

const ALL_BLOCKED: Document = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
}

interface FakeStore extends BucketAdmin {
  readonly told: Partial<Record<BucketPart, Document>>
  /** What was changed, in order. */
  readonly log: string[]
}

function fakeStore({
  there = true,
  told = {},
  unknown = [],
  region = 'us-east-1',
}: {
  readonly there?: boolean
  readonly told?: Partial<Record<BucketPart, Document>>
  readonly unknown?: readonly BucketPart[]
  readonly region?: string
}): FakeStore {
  let isThere = there
  const log: string[] = []
  const refuse = (part: BucketPart): void => {
    if (unknown.includes(part)) throw new RegistrishError('unsupported', `no ${part}`)
  }
  return {
    told,
    log,
    has: async () => isThere,
    region: () => region,
    async create() {
      isThere = true
      log.push('create')
    },
    async read(part) {
      refuse(part)
      return told[part]
    },
    async write(part, document) {
      refuse(part)
      log.push(part)
      told[part] = part === 'acl' ? PUBLIC_GRANTS : document
    },
    close: async () => undefined,
  }
}

const PUBLIC_GRANTS: Document = {
  Grants: [{ Grantee: { URI: 'http://acs.amazonaws.com/groups/global/AllUsers' }, Permission: 'READ' }],
}

async function setUp(
  store: BucketAdmin,
  options: Partial<Parameters<typeof applySetup>[1]> = {},
): Promise<readonly SetupResult[]> {
  const results: SetupResult[] = []
  for await (const result of applySetup(store, { bucket: 'bucket', parts: BUCKET_PARTS, ...options }))
    results.push(result)
  return results
}

function outcomes(results: readonly SetupResult[]): Readonly<Record<string, string>> {
  return Object.fromEntries(results.map(({ part, outcome }) => [part, outcome]))
}
