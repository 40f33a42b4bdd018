import { describe, expect, it, vi } from 'vitest'
import { formatDeletions } from '../../src/deploy/deletions-format.ts'
import { readDeletions } from '../../src/deploy/deletions-record.ts'
import { deployTree } from '../../src/deploy/deploy.ts'
import type { ObjectStore } from '../../src/deploy/store.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { LARGEST_MANIFEST } from '../../src/oci/manifest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { formatReferrers } from '../../src/oci/referrers.ts'
import { deletionsKey, manifestPath, referrersPath } from '../../src/tree/layout.ts'
import { digestTag, type Graph, makeArtifact, makeImage, referrerEntry, withReferrers } from '../support/made-images.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { makeFilledStore, makeTree, writtenKeys } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

const DAY = 24 * 3_600_000
const SHORT = 'public, max-age=60, no-transform'

function listed(store: MemoryStore, key: string): readonly string[] {
  const { manifests } = JSON.parse(store.text(key) ?? '{}') as { manifests: readonly { digest: string }[] }
  return manifests.map(({ digest }) => digest).sort()
}

/** Where the two lists of a subject stand. */
function keysOf({ root }: Graph): readonly string[] {
  return [referrersPath('app', root.digest), manifestPath('app', digestTag(root.digest))]
}

describe('lists of referrers that are larger than any manifest', () => {
  it('keep what others have added', async () => {
    const subject = await makeImage()
    const mine = makeArtifact({ subject, payload: 'mine' })
    const theirs = makeArtifact({ subject, payload: 'theirs', annotations: { a: 'x'.repeat(64) } })
    const store = await makeFilledStore({ app: { latest: withReferrers(subject, theirs) } })
    const large = formatReferrers([{ ...referrerEntry(theirs), annotations: { a: 'x'.repeat(LARGEST_MANIFEST) } }])
    for (const key of keysOf(subject)) {
      expect(listed(store, key)).toEqual([theirs.root.digest])
      store.set(key, large, { contentType: OCI_INDEX, cacheControl: SHORT })
    }
    await deployTree(await makeTree({ app: { latest: withReferrers(subject, mine) } }), store)
    for (const key of keysOf(subject)) expect(listed(store, key)).toEqual([mine, theirs].map(rootOf).sort())
  })
})

describe('a fallback tag whose manifest is missing at its digest', () => {
  it('gets it back from a tree that holds a part of the list, and the record forgets it', async () => {
    const subject = await makeImage()
    const [one, two] = ['one', 'two'].map(payload => withReferrers(subject, makeArtifact({ subject, payload })))
    if (one === undefined || two === undefined) throw new Error('no referrers')
    const store = await makeFilledStore({ app: { one, two } })
    const [, tag = ''] = keysOf(subject)
    const text = store.text(tag) ?? ''
    const key = manifestPath('app', digestOf(text))
    const { now } = store.clock
    const recorded = { since: now - 2 * DAY, keys: [key] }
    const generation = now - 2 * DAY
    const none = { begun: generation, forgotten: 0, claims: [], log: [] }
    store.set(deletionsKey, formatDeletions({ ...none, generation, unreferenced: [recorded] }))
    store.objects.delete(key)
    const tree = await makeTree({ app: { one } })
    await deployTree(tree, store)
    expect(store.text(key)).toBe(text)
    expect(store.text(tag)).toBe(text)
    expect((await readDeletions(store)).unreferenced).toEqual([])
    store.forget()
    await deployTree(tree, store)
    expect(writtenKeys(store)).toEqual([])
  })
})

describe('a document that was written and whose answer was lost', () => {
  const DOCUMENT = /\/tags\/list$|\/_catalog$|\/referrers\/|\/manifests\/sha256-/

  it('counts as sent and as stale', async () => {
    const subject = await makeImage()
    const tree = await makeTree({
      app: { latest: withReferrers(subject, makeArtifact({ subject, payload: 'one' })), other: subject },
    })
    const { plan, ...report } = await deployTree(tree, createMemoryStore())
    const memory = createMemoryStore()
    const { plan: _, ...lossy } = await deployTree(tree, losing(memory))
    judgeStore(memory)
    expect(lossy.stale.filter(path => DOCUMENT.test(path))).toHaveLength(4)
    expect(lossy).toEqual(report)
    expect(lossy.sent.objects).toBe(plan.send.objects)
  })

  /** As a store answers that had to write twice, since the first answer did not come: the condition does not hold any more. */
  function losing(memory: MemoryStore): ObjectStore {
    return {
      ...memory,
      async put(object, options) {
        const etag = await memory.put(object, options)
        return DOCUMENT.test(object.key) ? undefined : etag
      },
    }
  }
})

function rootOf({ root }: Graph): string {
  return root.digest
}
