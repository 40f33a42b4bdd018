import { describe, expect, it } from 'vitest'
import { parseDeletions } from '../../src/deploy/deletions-format.ts'
import { readDeletions } from '../../src/deploy/deletions-record.ts'
import { type PruneStoreOptions, pruneStore } from '../../src/deploy/prune.ts'
import { type PrunePlan, planPrune } from '../../src/deploy/prune-plan.ts'
import { beginWriting } from '../../src/deploy/writing-guard.ts'
import { RegistrishError } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { blobPath, deletionsKey, manifestPath, publicPrefix } from '../../src/tree/layout.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'

const HOUR = 3_600_000
const [one, two] = ['1', '2'].map(text => blobPath('a', digestOf(text))) as [string, string]
const manifest = manifestPath('a', digestOf('m'))
const tag = manifestPath('a', 'latest')

/** A store that holds some keys, a store's own clock and nothing else. */
function holding(...keys: readonly string[]): MemoryStore {
  const store = createMemoryStore({ title: 's3://b' })
  for (const key of keys) store.set(key, key)
  return store
}

/** A plan for a tree that holds nothing, as of now. */
async function planFor(store: MemoryStore, grace = HOUR): Promise<PrunePlan> {
  const keys = [...store.objects.keys()].filter(key => key.startsWith(publicPrefix)).sort()
  const objects = new Map(keys.map(key => [key, { key, size: 1, etag: store.objects.get(key)?.etag ?? '' }]))
  const foreignTags = keys.filter(key => key === tag)
  const deletions = await readDeletions(store)
  return planPrune({ objects, keep: () => false, foreignTags, deletions, listedAt: store.now(), grace })
}

async function run(store: MemoryStore, plan: PrunePlan, options: Partial<PruneStoreOptions> = {}) {
  const rank = (key: string): number => (key === manifest ? 0 : 1)
  const sleep = async (): Promise<void> => {}
  const alarm = (): AbortSignal => new AbortController().signal
  const listedAt = store.now()
  return pruneStore(store, plan, { listedAt, grace: HOUR, rank, sleep, alarm, ...options })
}

const recordOf = (store: MemoryStore) => parseDeletions(Buffer.from(store.text(deletionsKey) ?? ''), 'test')

describe('pruneStore', () => {
  it('asks nothing where there is nothing to do', async () => {
    const store = holding()
    const plan: PrunePlan = { tags: [], age: [], delete: [], strike: [] }
    expect(await run(store, plan)).toEqual({ deleted: [], recorded: [], spared: [] })
    expect(store.log()).toEqual([])
  })

  it('deletes tags at once, records what nothing refers to, and deletes that in a later run', async () => {
    const store = holding(tag, manifest, one)
    const told: string[] = []
    const onDeleted = (keys: readonly string[]): void => void told.push(...keys)
    expect(await run(store, await planFor(store), { onDeleted })).toEqual({
      deleted: [tag],
      recorded: [one, manifest],
      spared: [],
    })
    const [group] = recordOf(store).unreferenced
    expect(group).toEqual({ since: store.clock.now + 3, keys: [one, manifest] })
    store.clock.now += HOUR
    expect(await run(store, await planFor(store), { onDeleted })).toMatchObject({ deleted: [] })
    store.clock.now += 3
    expect(await run(store, await planFor(store), { onDeleted })).toEqual({
      deleted: [manifest, one],
      recorded: [],
      spared: [],
    })
    expect(told).toEqual([tag, manifest, one])
    expect([...store.objects.keys()]).toEqual([deletionsKey])
    expect(recordOf(store).log.flatMap(({ keys }) => keys)).toEqual([tag, manifest, one])
  })

  it('deletes what points to others first, and never both under one claim', async () => {
    const store = holding(one, manifest)
    await run(store, await planFor(store))
    store.clock.now += 2 * HOUR
    store.forget()
    const plan = await planFor(store)
    store.forget()
    await run(store, plan)
    expect(
      store
        .log()
        .filter(line => !line.startsWith('get') && !line.startsWith('head'))
        .map(line => line.split(' ', 2).join(' ')),
    ).toEqual([
      `put ${deletionsKey}`,
      `delete ${manifest}`,
      `put ${deletionsKey}`,
      `put ${deletionsKey}`,
      `delete ${one}`,
      `put ${deletionsKey}`,
    ])
  })

  it('spares a tag that has moved, and one that is gone', async () => {
    const store = holding(tag, manifestPath('a', 'old'))
    const plan = await planFor(store)
    store.set(tag, 'moved')
    const gone = { key: manifestPath('a', 'gone'), etag: 'x' }
    expect(await run(store, { ...plan, tags: [...plan.tags, gone] })).toMatchObject({
      deleted: [],
      spared: [tag, gone.key],
    })
    expect(store.text(tag)).toBe('moved')
    expect(recordOf(store).claims).toEqual([])
  })

  it('spares what a writer has struck off, even if it was recorded anew', async () => {
    const store = holding(one, two)
    await run(store, await planFor(store))
    store.clock.now += 2 * HOUR
    const plan = await planFor(store)
    const guard = await beginWriting(store)
    await guard.confirm([one, two])
    const { age } = await planFor(store)
    await run(store, { tags: [], age, delete: [], strike: [] })
    expect(recordOf(store).unreferenced.flatMap(({ keys }) => keys)).toHaveLength(2)
    expect(await run(store, plan)).toMatchObject({ deleted: [], spared: [one, two].sort() })
    expect(store.objects.has(one)).toBe(true)
  })

  it('strikes off what the plan says', async () => {
    const store = holding(one, two)
    await run(store, await planFor(store))
    await run(store, { tags: [], age: [], delete: [], strike: [two] })
    expect(recordOf(store).unreferenced.flatMap(({ keys }) => keys)).toEqual([one])
  })

  it('leaves its claim where a deletion fails, and the next run heals it', async () => {
    const store = holding(one)
    await run(store, await planFor(store))
    store.clock.now += 2 * HOUR
    store.before = op => {
      if (op === 'delete') throw new RegistrishError('unreachable', 'broken', { side: 'target' })
    }
    await expect(run(store, await planFor(store))).rejects.toMatchObject({ code: 'unreachable' })
    store.before = undefined
    expect(recordOf(store).claims).toHaveLength(1)
    expect(await planFor(store)).toMatchObject({ delete: [], age: [] })
    store.clock.now += 66_000
    expect(await run(store, await planFor(store))).toMatchObject({ deleted: [one] })
    expect(recordOf(store)).toMatchObject({ claims: [], unreferenced: [] })
  })

  it('breaks a deletion off well before its claim ends', async () => {
    const store = holding(one)
    await run(store, await planFor(store))
    store.clock.now += 2 * HOUR
    const late = new AbortController()
    const asked: number[] = []
    store.before = op => {
      if (op === 'delete') late.abort(new Error('late'))
    }
    const alarm = (ms: number): AbortSignal => {
      asked.push(ms)
      return late.signal
    }
    await expect(run(store, await planFor(store), { alarm })).rejects.toMatchObject({ code: 'timeout', side: 'target' })
    expect(asked).toEqual([10_001, 40_001])
    expect(store.objects.has(one)).toBe(true)
  })

  it('gives a claim back that came too late, and tries again', async () => {
    const store = holding(one)
    await run(store, await planFor(store))
    store.clock.now += 2 * HOUR
    const plan = await planFor(store)
    let slow = 1
    store.before = op => {
      if (op !== 'put' || slow === 0) return
      slow -= 1
      store.clock.now += 50_000
    }
    store.forget()
    expect(await run(store, plan)).toMatchObject({ deleted: [one] })
    expect(store.log().filter(line => line.startsWith('put'))).toHaveLength(4)
  })

  it('gives up where every claim comes too late', async () => {
    const store = holding(one)
    await run(store, await planFor(store))
    store.clock.now += 2 * HOUR
    const plan = await planFor(store)
    store.before = op => {
      if (op === 'put') store.clock.now += 50_000
    }
    await expect(run(store, plan)).rejects.toMatchObject({ code: 'timeout' })
    expect(store.objects.has(one)).toBe(true)
  })

  it('stops when it is told to, between two claims', async () => {
    const store = holding(one, manifest)
    await run(store, await planFor(store))
    store.clock.now += 2 * HOUR
    const stop = new AbortController()
    const options = { signal: stop.signal, onDeleted: () => stop.abort() }
    await expect(run(store, await planFor(store), options)).rejects.toMatchObject({ code: 'aborted' })
    expect(store.objects.has(one)).toBe(true)
  })

  it('claims a twentieth of many at once', async () => {
    const keys = Array.from({ length: 21_000 }, (_, index) => blobPath('a', digestOf(`${index}`)))
    const store = holding(...keys)
    await run(store, await planFor(store))
    store.clock.now += 2 * HOUR
    const plan = await planFor(store)
    store.forget()
    expect((await run(store, plan)).deleted).toHaveLength(21_000)
    expect(store.log().filter(line => line.startsWith('put'))).toHaveLength(40)
    expect(recordOf(store)).toMatchObject({ unreferenced: [], claims: [] })
    expect(recordOf(store).log).toHaveLength(19)
  }, 60_000)
})
