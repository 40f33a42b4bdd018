import { afterAll, beforeAll } from 'vitest'
import { describeObjectStore } from '../contract/object-store.ts'
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
})
