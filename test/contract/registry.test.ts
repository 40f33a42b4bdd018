import { createRegistrySource } from '../../src/registry/registry-source.ts'
import type { Graph } from '../support/made-images.ts'
import { tokenAuth } from '../support/registry-faults.ts'
import { startTestRegistry, type TestRegistryOptions } from '../support/test-registry.ts'
import { sourceContract, type TriedSource } from './source.ts'

async function open(images: Readonly<Record<string, Graph>>, options: TestRegistryOptions = {}): Promise<TriedSource> {
  const registry = await startTestRegistry({ repositories: { app: images }, ...options })
  const source = createRegistrySource({ registry: registry.host, env: {}, home: '/nowhere' })
  return { source, repository: 'app', close: () => registry.close() }
}

sourceContract('a registry', images => open(images))

sourceContract('a registry with tokens and small pages', images => open(images, { hook: tokenAuth(), pageSize: 1 }))
