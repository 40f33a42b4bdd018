import type * as fs from 'node:fs'
import type * as promises from 'node:fs/promises'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { pruneTree } from '../../src/tree/prune.ts'
import { removeImages } from '../../src/tree/remove.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { verifyTree } from '../../src/tree/verify.ts'
import { makeArtifact, makeImage, makeIndex, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { putGraph } from './support/put-graph.ts'

/** Counts what changes a tree; from the step that `until` names on nothing happens any more, as after a kill. */
const steps = vi.hoisted(() => ({ done: 0, until: Number.POSITIVE_INFINITY }))

function step(): void {
  steps.done += 1
  if (steps.done > steps.until) throw new Error('killed')
}

vi.mock('node:fs', async original => {
  const real = await original<typeof fs>()
  const unlinkSync: typeof fs.unlinkSync = path => {
    step()
    real.unlinkSync(path)
  }
  return { ...real, unlinkSync }
})

vi.mock('node:fs/promises', async original => {
  const real = await original<typeof promises>()
  return {
    ...real,
    open: async (path: string, ...rest: (string | number)[]) => {
      const handle = await real.open(path, ...(rest as [string, number]))
      return Object.assign(handle, { sync: async () => {}, datasync: async () => {} }) // time only: no power is lost here
    },
    rename: async (from: string, to: string) => {
      step()
      await real.rename(from, to)
    },
    rm: async (path: string, options?: fs.RmOptions) => {
      step()
      await real.rm(path, options)
    },
    rmdir: async (path: string) => {
      step()
      await real.rmdir(path)
    },
    link: async (from: string, to: string) => {
      step()
      await real.link(from, to)
    },
  }
})

afterEach(() => {
  steps.until = Number.POSITIVE_INFINITY
})

/** A tree in which tags, nested indexes, referrers of several depths and whole repositories are about to go. */
async function makeFullTree(): Promise<Tree> {
  const tree = openTree(await makeTemporaryFolder())
  const image = await makeImage({ seed: 'kept' })
  const [one, two] = [makeArtifact({ subject: image, payload: '1' }), makeArtifact({ subject: image, payload: '2' })]
  await putGraph(tree, 'app', withReferrers(image, one, two), { tag: 'v1' })
  const old = makeIndex([await makeMultiPlatform({ seed: 'old' })])
  const signature = makeArtifact({ subject: old, payload: 'signature' })
  await putGraph(tree, 'app', withReferrers(old, withReferrers(signature, makeArtifact({ subject: signature }))))
  await putGraph(tree, 'gone/app', await makeMultiPlatform({ seed: 'gone' }))
  await putGraph(tree, 'gone/app/deep', image, { tag: 'v1' })
  await rebuildDocuments(tree.root)
  return tree
}

const deletions: Readonly<Record<string, (tree: Tree) => Promise<unknown>>> = {
  prune: tree => pruneTree(tree),
  'remove of a tag': tree => removeImages(tree, [{ repository: 'app', reference: 'v1' }]),
  'remove of a referrer': async tree => {
    const { digest = '' } = (await tree.referrers('app', (await tree.resolve('app', 'v1')).digest))[0] ?? {}
    await removeImages(tree, [{ repository: 'app', reference: digest }])
  },
  'remove of repositories': tree => removeImages(tree, [{ repository: 'app' }, { repository: 'gone/app' }]),
}

describe('killed after any of its steps, the tree is right, and a second run ends the work:', () => {
  test.each(Object.entries(deletions))('%s', { timeout: 120_000 }, async (name, run) => {
    const original = await makeFullTree()
    let ended = false
    let most = 0
    for (let until = 0; !ended; until += 1) {
      const tree = openTree(join(await makeTemporaryFolder(), 'tree'))
      await cp(original.root, tree.root, { recursive: true })
      Object.assign(steps, { done: 0, until })
      ended = await run(tree).then(
        () => true,
        () => false,
      )
      most = Math.max(most, steps.done)
      steps.until = Number.POSITIVE_INFINITY
      const { problems } = await verifyTree(tree)
      expect(problems, `after step ${until} of ${name}`).toEqual([])
      if (!ended && until % 3 !== 0) continue
      if (!ended) await run(tree).catch((error: unknown) => expect(error).toMatchObject({ code: 'not-found' }))
      await rebuildDocuments(tree.root)
      expect((await verifyTree(tree)).problems).toEqual([])
    }
    expect(most).toBeGreaterThan(name === 'remove of a tag' ? 3 : 8)
  })
})
