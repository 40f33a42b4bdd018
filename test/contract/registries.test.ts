import { createRegistrySource } from '../../src/registry/registry-source.ts'
import { digestTag, type Graph, makeFallbackIndex, rootBytes, withAllReferrers } from '../support/made-images.ts'
import { ignoresRange, tokenAuth } from '../support/registry-faults.ts'
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '../support/test-registry.ts'
import { sourceContract, type TriedSource } from './source.ts'

const REPOSITORY = 'team/app'

sourceContract('a registry', async images => tryRegistry(images))

sourceContract('a registry that gives its lists page by page', async images => tryRegistry(images, { pageSize: 1 }))

sourceContract('a registry that asks for tokens', async images => tryRegistry(images, { hook: tokenAuth() }))

sourceContract('a registry that knows no ranges', async images => tryRegistry(images, { hook: ignoresRange }))

sourceContract('a registry without the referrers API', async images => {
  const tried = await tryRegistry(images, { noReferrers: true })
  for (const [subject, referrers] of bySubject(images)) {
    tried.registry.put(REPOSITORY, digestTag(subject), makeFallbackIndex(referrers))
  }
  return tried
})

async function tryRegistry(
  images: Readonly<Record<string, Graph>>,
  options: TestRegistryOptions = {},
): Promise<TriedSource & { readonly registry: TestRegistry }> {
  const registry = await startTestRegistry({ ...options, repositories: { [REPOSITORY]: images } })
  const source = createRegistrySource({ registry: registry.host, env: {} })
  return { source, repository: REPOSITORY, registry, close: () => registry.close() }
}

/** What refers to each subject, as a client keeps it up to date at the fallback tag. */
function bySubject(images: Readonly<Record<string, Graph>>): ReadonlyMap<Graph['root']['digest'], readonly Graph[]> {
  const subjects = new Map<Graph['root']['digest'], Graph[]>()
  for (const graph of Object.values(images).flatMap(withAllReferrers)) {
    const { subject } = JSON.parse(new TextDecoder().decode(rootBytes(graph))) as { readonly subject?: Graph['root'] }
    if (subject !== undefined) subjects.set(subject.digest, [...(subjects.get(subject.digest) ?? []), graph])
  }
  return subjects
}
