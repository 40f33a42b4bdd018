import { createHash } from 'node:crypto'
import { deployTree } from '../../../src/deploy/deploy.ts'
import type { DeployOptions, DeployReport } from '../../../src/deploy/report.ts'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../../src/tree/documents.ts'
import type { Tree } from '../../../src/tree/tree.ts'
import type { Graph } from '../../support/made-images.ts'
import { createMemoryStore, type MemoryObject, type MemoryStore } from '../../support/memory-store.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { writeTree } from '../../support/write-images.ts'

/** Images by repository and tag. */
export type Images = Readonly<Record<string, Readonly<Record<string, Graph>>>>

/** Makes a tree that holds images, with its documents. */
export async function makeTree(images: Images): Promise<Tree> {
  const root = await makeTemporaryFolder()
  for (const [repository, graphs] of Object.entries(images)) await writeTree(root, repository, graphs)
  await rebuildDocuments(root)
  return openTree(root)
}

/** A deploy with all that it said. */
export interface Told {
  readonly report: DeployReport
  readonly notes: readonly string[]
}

/** Deploys and writes down the notes. */
export async function deployAndListen(tree: Tree, store: MemoryStore, options: DeployOptions = {}): Promise<Told> {
  const notes: string[] = []
  const report = await deployTree(tree, store, {
    ...options,
    onProgress(event) {
      if (event.type === 'note') notes.push(event.text)
    },
  })
  return { report, notes }
}

/** A store that holds what a deploy of these images makes. */
export async function makeFilledStore(images: Images): Promise<MemoryStore> {
  const store = createMemoryStore()
  await deployTree(await makeTree(images), store)
  store.forget()
  return store
}

/** Another way into a copy of a store's objects. */
export function cloneStore(store: MemoryStore): MemoryStore {
  return createMemoryStore({ objects: new Map(store.objects), clock: { ...store.clock } })
}

/** What a store publishes, as text by key: bytes and headers, without etags and dates. */
export function publishedOf({
  objects,
}: {
  readonly objects: ReadonlyMap<string, MemoryObject>
}): Readonly<Record<string, string>> {
  const published = [...objects].filter(([key]) => key.startsWith('v2/'))
  const lines = published.map(([key, { bytes, contentType, cacheControl }]) => {
    return [key, `${createHash('sha256').update(bytes).digest('hex')} ${contentType} ${cacheControl}`] as const
  })
  return Object.fromEntries(lines.sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Keys that the steps of a store wrote, in order. */
export function writtenKeys(store: MemoryStore): readonly string[] {
  return store.steps.filter(({ op }) => op === 'put' || op === 'copy').map(({ key }) => key)
}

/** Keys of objects that the steps of a store read, in order. */
export function readKeys(store: MemoryStore): readonly string[] {
  return store.steps.filter(({ op }) => op === 'get' || op === 'head').map(({ key }) => key)
}

/** Keys that the steps of a store deleted, in order. */
export function deletedKeys(store: MemoryStore): readonly string[] {
  return store.steps.filter(({ op }) => op === 'delete').map(({ key }) => key)
}

/** Tags of a repository in a store. */
export function tagsIn(store: MemoryStore, repository: string): readonly string[] {
  const folder = `v2/${repository}/manifests/`
  return [...store.objects.keys()]
    .filter(key => key.startsWith(folder))
    .map(key => key.slice(folder.length))
    .filter(name => !name.includes(':'))
    .sort()
}

/** Keys of an image's blobs in a repository. */
export function blobsOf(repository: string, { blobs }: Graph): readonly string[] {
  return [...blobs.keys()].map(digest => `v2/${repository}/blobs/${digest}`)
}

/** Keys of an image's manifests in a repository. */
export function manifestsOf(repository: string, { manifests }: Graph): readonly string[] {
  return [...manifests.keys()].map(digest => `v2/${repository}/manifests/${digest}`)
}

/** Those of some keys that are on a store. */
export function present(store: MemoryStore, keys: readonly string[]): readonly string[] {
  return keys.filter(key => store.objects.has(key))
}
