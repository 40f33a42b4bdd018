import { describe, expect, it } from 'vitest'
import type { Deletions } from '../../src/deploy/deletions.ts'
import { formatDeletions, parseDeletions } from '../../src/deploy/deletions-format.ts'
import { beginWriting } from '../../src/deploy/writing-guard.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { blobPath, deletionsKey, manifestPath } from '../../src/tree/layout.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'

const [one, two, three] = ['1', '2', '3'].map(text => blobPath('a', digestOf(text))) as [string, string, string]
const tag = manifestPath('a', 'latest')
const NOTHING: Deletions = { generation: 5, begun: 5, forgotten: 0, unreferenced: [], claims: [], log: [] }

function write(store: MemoryStore, record: Partial<Deletions>): void {
  store.set(deletionsKey, formatDeletions({ ...NOTHING, ...record }))
}

function stored(store: MemoryStore): Deletions {
  return parseDeletions(Buffer.from(store.text(deletionsKey) ?? ''), 'test')
}

describe('beginWriting', () => {
  it('costs a request, and another for each confirmation, where nothing is to be deleted', async () => {
    const store = createMemoryStore()
    const guard = await beginWriting(store)
    expect(await guard.confirm([one, tag])).toEqual([])
    expect(await guard.confirm([one, tag])).toEqual([])
    expect(store.log()).toEqual([`get ${deletionsKey}`, `head ${deletionsKey}`, `head ${deletionsKey}`])
    expect(store.objects.size).toBe(0)
  })

  it('strikes off what is needed', async () => {
    const store = createMemoryStore()
    write(store, { unreferenced: [{ since: 1, keys: [one, two, three] }] })
    const guard = await beginWriting(store)
    expect(await guard.confirm([one, three])).toEqual([])
    expect(stored(store).unreferenced).toEqual([{ since: 1, keys: [two] }])
  })

  it('tells what was deleted since it began, once', async () => {
    const store = createMemoryStore()
    write(store, { log: [{ generation: 5, at: 0, keys: [one] }] })
    const guard = await beginWriting(store)
    write(store, { generation: 6, log: [{ generation: 6, at: 0, keys: [two, three] }] })
    expect(await guard.confirm([one, two])).toEqual([two])
    expect(await guard.confirm([one, two])).toEqual([])
  })

  it('remembers of each key when it was confirmed', async () => {
    const store = createMemoryStore()
    write(store, {})
    const guard = await beginWriting(store)
    write(store, { generation: 6, log: [{ generation: 6, at: 0, keys: [one, two] }] })
    expect(await guard.confirm([one])).toEqual([one])
    expect(await guard.confirm([one, two])).toEqual([two])
    expect(await guard.confirm([one, two])).toEqual([])
  })

  it('suspects everything where the log does not say', async () => {
    const store = createMemoryStore()
    write(store, {})
    const guard = await beginWriting(store)
    write(store, { generation: 9, forgotten: 6 })
    expect(await guard.confirm([one, two])).toEqual([one, two])
    expect(await guard.confirm([one, two])).toEqual([])
  })

  it('suspects everything where the record is gone', async () => {
    const store = createMemoryStore()
    write(store, {})
    const guard = await beginWriting(store)
    store.objects.delete(deletionsKey)
    expect(await guard.confirm([one])).toEqual([one])
    expect(await guard.confirm([one])).toEqual([])
  })
})

describe('a claim', () => {
  const claim = { id: 'x', tags: [tag], unreferenced: [{ since: 1, keys: [one] }] }

  it('is waited for until it has ended', async () => {
    const store = createMemoryStore()
    const { now } = store.clock
    write(store, { claims: [{ ...claim, until: now + 60_000 }] })
    const slept: number[] = []
    const guard = await beginWriting(store, {
      async sleep(ms) {
        slept.push(ms)
        store.clock.now += ms
        if (slept.length === 2) write(store, { generation: 6, log: [{ generation: 6, at: now, keys: [one] }] })
      },
    })
    expect(await guard.confirm([one, two])).toEqual([one])
    expect(slept).toEqual([5000, 5000])
  })

  it('is said to be waited for, once', async () => {
    const store = createMemoryStore()
    const said: string[] = []
    const guard = await beginWriting(store, {
      onWait: () => void said.push('waits'),
      async sleep(ms) {
        said.push('sleeps')
        store.clock.now += ms
      },
    })
    for (let times = 0; times < 2; times += 1) {
      write(store, { claims: [{ ...claim, until: store.clock.now + 6000 }] })
      await guard.confirm([one])
    }
    expect(said.length).toBeGreaterThan(4)
    expect(said.indexOf('waits')).toBe(0)
    expect(said.lastIndexOf('waits')).toBe(0)
  })

  it('of others keys is not', async () => {
    const store = createMemoryStore()
    write(store, { claims: [{ ...claim, until: store.clock.now + 60_000 }] })
    const fail = (): never => {
      throw new Error('waited')
    }
    const guard = await beginWriting(store, { sleep: fail, onWait: fail })
    expect(await guard.confirm([two])).toEqual([])
  })

  it.each([
    ['content', [one]],
    ['a tag', [tag]],
  ])('of a pruner that died ends by time, settled for all: %s', async (_, keys) => {
    const store = createMemoryStore()
    write(store, { claims: [{ ...claim, until: store.clock.now + 60_000 }] })
    let slept = 0
    const guard = await beginWriting(store, {
      async sleep(ms) {
        slept += ms
        store.clock.now += ms
      },
    })
    expect(await guard.confirm(keys)).toEqual(keys)
    expect(await guard.confirm(keys)).toEqual(keys) // what is settled counts as deleted at that moment
    expect(await guard.confirm(keys)).toEqual([])
    expect(slept).toBeGreaterThan(65_000)
    expect(slept).toBeLessThan(71_000)
    expect(stored(store).claims).toEqual([])
  })

  it('that does not end by any time is reported', async () => {
    const store = createMemoryStore()
    write(store, { claims: [{ ...claim, until: store.clock.now + 1e12 }] })
    const guard = await beginWriting(store, {
      async sleep(ms) {
        store.clock.now += ms
      },
    })
    await expect(guard.confirm([one])).rejects.toMatchObject({ code: 'conflict', side: 'target' })
  })
})

describe('isFresh', () => {
  it('holds for 30 s from the beginning of the last look', async () => {
    const store = createMemoryStore()
    const guard = await beginWriting(store)
    expect(guard.isFresh()).toBe(false)
    store.before = () => {
      store.clock.now += 9000
    }
    await guard.confirm([one])
    expect(guard.isFresh()).toBe(true)
    store.clock.now += 21_000
    expect(guard.isFresh()).toBe(true)
    store.clock.now += 1
    expect(guard.isFresh()).toBe(false)
  })

  it('is not used up by reading a large record over a slow line', async () => {
    const store = createMemoryStore()
    const guard = await beginWriting(store)
    write(store, { unreferenced: [{ since: 1, keys: [two] }] })
    store.before = op => {
      if (op === 'get') store.clock.now += 40_000
    }
    await guard.confirm([one])
    expect(guard.isFresh()).toBe(true)
    expect(store.log().at(-1)).toBe(`head ${deletionsKey}`)
  })
})
