import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { deployTree } from '../../../src/deploy/deploy.ts'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { createMemoryStore } from '../../support/memory-store.ts'
import { toolPath } from './tools.ts'

/** What of wrangler's own simulator is used here. */
interface Simulator {
  getR2Bucket(binding: string): Promise<Bucket>
  dispose(): Promise<void>
}

interface Bucket {
  put(
    key: string,
    bytes: Uint8Array,
    options: { readonly httpMetadata: { readonly contentType?: string; readonly cacheControl?: string } },
  ): Promise<unknown>
}

type SimulatorConstructor = new (options: Readonly<Record<string, unknown>>) => Simulator

/** Puts into a bucket of wrangler's local state what `deploy` puts into a bucket, and then what else is given. */
export async function fillLocalBucket(
  root: string,
  {
    folder,
    bucket,
    others = new Map(),
  }: { readonly folder: string; readonly bucket: string; readonly others?: ReadonlyMap<string, string> },
): Promise<void> {
  const store = createMemoryStore()
  await deployTree(openTree(root), store)
  for (const [key, text] of others) store.set(key, text)
  const { Miniflare } = await loadSimulator()
  const simulator = new Miniflare({
    modules: true,
    script: 'export default {}',
    r2Buckets: { CONTENT: bucket },
    r2Persist: join(folder, 'v3/r2'),
    cf: false,
  })
  try {
    const target = await simulator.getR2Bucket('CONTENT')
    for (const [key, { bytes, contentType, cacheControl }] of store.objects) {
      const httpMetadata = {
        ...(contentType === undefined ? {} : { contentType }),
        ...(cacheControl === undefined ? {} : { cacheControl }),
      }
      await target.put(key, Uint8Array.from(bytes), { httpMetadata })
    }
  } finally {
    await simulator.dispose()
  }
}

/** It is a dependency of wrangler, which is installed apart from this package. */
async function loadSimulator(): Promise<{ readonly Miniflare: SimulatorConstructor }> {
  const path = join(toolPath('wrangler'), '../../miniflare/dist/src/index.js')
  const { default: simulator } = await import(pathToFileURL(path).href)
  return simulator
}
