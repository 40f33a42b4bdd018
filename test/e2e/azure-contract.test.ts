import { hash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeObjectStore } from '../contract/object-store.ts'
import { made, pagesOf } from '../contract/object-store-support.ts'
import { type Azurite, startAzurite } from './support/azurite.ts'
import { describeWith } from './support/suites.ts'

describeWith(['azurite-blob'], 'a real azurite', () => {
  let server: Azurite
  let containers = 0
  beforeAll(async () => {
    server = await startAzurite()
  })
  afterAll(() => server.stop())

  describeObjectStore('azurite', async () => {
    containers += 1
    const container = await server.addContainer(`contract-${containers}`)
    return { store: await server.open(container, { pageSize: 1000 }) }
  })

  test('states the MD5 of small blobs in listings, so that none has to be read', async () => {
    const store = await server.open(await server.addContainer('sums'))
    await store.put(made('v2/a', 'a'))
    const pages = await pagesOf(store.list(''))
    expect(pages.flatMap(({ objects }) => objects)).toMatchObject([{ key: 'v2/a', md5: hash('md5', 'a') }])
  })
})
