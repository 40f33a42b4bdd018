import { describe, expect, it } from 'vitest'
import type { Deletions } from '../../src/deploy/deletions.ts'
import { formatDeletions, parseDeletions } from '../../src/deploy/deletions-format.ts'
import { type Changer, openDeletions, readDeletions } from '../../src/deploy/deletions-record.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { blobPath, deletionsKey } from '../../src/tree/layout.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'

const keyOf = (text: string): string => blobPath('a', digestOf(text))
const noSleep = async (): Promise<void> => {}

/** Records a key, unless it is there. */
function recording(key: string): Changer<string> {
  return deletions => {
    if (deletions.unreferenced.some(group => group.keys.includes(key))) return { next: deletions, result: 'there' }
    return {
      next: { ...deletions, unreferenced: [...deletions.unreferenced, { since: 1, keys: [key] }] },
      result: 'new',
    }
  }
}

function stored(store: MemoryStore): Deletions {
  return parseDeletions(Buffer.from(store.text(deletionsKey) ?? ''), 'test')
}

describe('openDeletions', () => {
  it('makes the record with its first change, not for the public and never kept by a cache', async () => {
    const store = createMemoryStore()
    expect(await readDeletions(store)).toMatchObject({ generation: 0, unreferenced: [], claims: [], log: [] })
    expect(store.objects.size).toBe(0)
    expect(await openDeletions(store).change(recording(keyOf('1')))).toBe('new')
    expect(store.log()).toEqual([`get ${deletionsKey}`, `get ${deletionsKey}`, `put ${deletionsKey} absent`])
    expect(store.objects.get(deletionsKey)).toMatchObject({ secret: true, cacheControl: 'no-store' })
    expect(stored(store)).toMatchObject({ begun: store.clock.now, generation: store.clock.now })
  })

  it('writes nothing where nothing changes, and asks only whether the record is still what it was', async () => {
    const store = createMemoryStore()
    const record = openDeletions(store)
    await record.change(recording(keyOf('1')))
    store.forget()
    expect(await record.change(recording(keyOf('1')))).toBe('there')
    expect(store.log()).toEqual([`head ${deletionsKey}`])
  })

  it('tries again on what another has made of it meanwhile', async () => {
    const store = createMemoryStore()
    const other = createMemoryStore({ objects: store.objects, clock: store.clock })
    let quarrels = 3
    store.before = async op => {
      if (op !== 'put' || quarrels === 0) return
      quarrels -= 1
      await openDeletions(other).change(recording(keyOf(`other ${quarrels}`)))
    }
    await openDeletions(store, { sleep: noSleep }).change(recording(keyOf('mine')))
    const { unreferenced, generation, begun } = stored(store)
    expect(unreferenced.flatMap(group => group.keys)).toHaveLength(4)
    expect(generation - begun).toBe(3)
  })

  it('gives up when others change it all the time', async () => {
    const store = createMemoryStore()
    const other = createMemoryStore({ objects: store.objects, clock: store.clock })
    let count = 0
    store.before = async op => {
      count += 1
      if (op === 'put') await openDeletions(other).change(recording(keyOf(`${count}`)))
    }
    await expect(openDeletions(store, { sleep: noSleep }).change(recording(keyOf('mine')))).rejects.toMatchObject({
      code: 'conflict',
      side: 'target',
    })
  })

  it('takes a write that may have happened as one that others made', async () => {
    const store = createMemoryStore()
    const lossy = {
      ...store,
      async put(...request: Parameters<typeof store.put>) {
        await store.put(...request)
        return undefined
      },
    }
    expect(await openDeletions(lossy, { sleep: noSleep }).change(recording(keyOf('1')))).toBe('there')
    expect(stored(store).unreferenced).toHaveLength(1)
  })

  it('looks again when a write takes too long', async () => {
    const store = createMemoryStore()
    const alarm = new AbortController()
    const asked: number[] = []
    store.before = op => {
      if (op !== 'put') return
      store.before = undefined
      alarm.abort(new Error('late'))
    }
    const record = openDeletions(store, {
      sleep: noSleep,
      alarm(ms) {
        asked.push(ms)
        return asked.length === 1 ? alarm.signal : new AbortController().signal
      },
    })
    expect(await record.change(recording(keyOf('1')))).toBe('new')
    expect(asked).toEqual([10_001, 10_001])
  })

  it('stops when it is told to', async () => {
    const store = createMemoryStore()
    const change = openDeletions(store).change(recording(keyOf('1')), { signal: AbortSignal.abort() })
    await expect(change).rejects.toMatchObject({ code: 'aborted' })
  })

  it('says that a record is none', async () => {
    const store = createMemoryStore({ title: 's3://b' })
    store.set(deletionsKey, '{}')
    await expect(readDeletions(store)).rejects.toMatchObject({
      code: 'conflict',
      hint: expect.stringMatching(/delete/),
    })
  })

  it('holds 100,000 keys', async () => {
    const store = createMemoryStore()
    const keys = Array.from({ length: 100_000 }, (_, index) => blobPath('a', digestOf(`${index}`)))
    const full = { ...(await readDeletions(store)), generation: 5, begun: 5, unreferenced: [{ since: 1, keys }] }
    store.set(deletionsKey, formatDeletions(full))
    const { unreferenced } = await readDeletions(store)
    expect(unreferenced[0]?.keys).toHaveLength(100_000)
  }, 60_000)
})

describe('claims whose time is over', () => {
  it('are given as settled, and settled with the next change', async () => {
    const store = createMemoryStore()
    const claim = { id: 'x', until: store.clock.now, tags: [], unreferenced: [{ since: 3, keys: [keyOf('1')] }] }
    const record = { generation: 9, begun: 9, forgotten: 0, unreferenced: [], claims: [claim], log: [] }
    store.set(deletionsKey, formatDeletions(record))
    expect((await readDeletions(store)).claims).toHaveLength(1)
    store.clock.now += 5001
    expect(await readDeletions(store)).toMatchObject({ claims: [], unreferenced: claim.unreferenced, generation: 9 })
    await openDeletions(store).change(deletions => ({ next: deletions, result: undefined }))
    expect(stored(store)).toEqual({
      ...record,
      claims: [],
      generation: 10,
      unreferenced: claim.unreferenced,
      log: [{ generation: 10, at: store.clock.now, keys: [keyOf('1')] }],
    })
  })
})
