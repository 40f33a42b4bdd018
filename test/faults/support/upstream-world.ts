import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Descriptor } from '../../../src/oci/descriptor.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { OCTET_STREAM } from '../../../src/oci/media-types.ts'
import type { ProgressEvent } from '../../../src/progress.ts'
import { startRegistry } from '../../fetch/fetch-support.ts'
import { type Graph, makeImage, makeIndex, makeMultiPlatform } from '../../support/made-images.ts'
import { makeBlob } from '../../support/made-layers.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import type { Hook, TestRegistry, TestRegistryOptions } from '../../support/test-registry.ts'

/* What the rows of the upstream table play in: an upstream, another host beside it, a tree that holds an older image of the same tag. */

/** Size of the blob that the rows are about. */
export const SIZE = 500_000

/** What a row may look at, and use to misbehave. */
export interface World {
  /** Folder of the tree. */
  readonly root: string
  readonly upstream: TestRegistry
  /** Another host, which holds the new image too. */
  readonly store: TestRegistry
  /** What the tree held before. */
  readonly old: Graph
  /** What the tag stands for now: an index of two images, one with a layer of {@link SIZE} bytes. */
  readonly good: Graph
  /** That layer. */
  readonly big: Descriptor
  /** The image in the index that has it. */
  readonly child: Graph
  /** A credentials file: user `me`, password `secret`, for `upstream`. */
  readonly authFile: string
  /** What the fetch told so far. */
  readonly events: ProgressEvent[]
  /** From now on the upstream behaves as told. */
  misbehave(hook: Hook): void
  /** From now on it is as it should be. */
  mend(): void
}

/** Starts the hosts of a row; nothing is fetched yet. */
export async function startWorld(options: TestRegistryOptions = {}): Promise<World> {
  const bytes = makeBlob(SIZE, 'layer')
  const layer = { bytes, diffId: digestOf(bytes), compression: 'none' } as const
  const [old, child] = [await makeMultiPlatform({ seed: 'old' }), await makeImage({ seed: 'new', layers: [layer] })]
  const good = makeIndex([child, await makeImage({ seed: 'new', platform: 'linux/arm64' })])
  let fault: Hook | undefined
  const hook: Hook = (request, next) => (fault === undefined ? next(request) : fault(request, next))
  const upstream = await startRegistry({ app: { latest: old } }, { ...options, hook })
  const store = await startRegistry({ app: { latest: good } })
  const folder = await makeTemporaryFolder()
  const authFile = join(folder, 'auth.json')
  const auth = Buffer.from('me:secret').toString('base64')
  await writeFile(authFile, JSON.stringify({ auths: { [upstream.host]: { auth } } }))
  onTestFinished(() => {
    fault = undefined
  })
  return {
    root: await makeTemporaryFolder(),
    upstream,
    store,
    old,
    good,
    big: { mediaType: OCTET_STREAM, digest: digestOf(bytes), size: SIZE },
    child,
    authFile,
    events: [],
    misbehave(told) {
      fault = told
    },
    mend() {
      fault = undefined
    },
  }
}
