import { describe, expect, it } from 'vitest'
import type { Deletions } from '../../src/deploy/deletions.ts'
import {
  claimedUntil,
  claimKeys,
  deletedSince,
  endClaim,
  recordKeys,
  strikeKeys,
} from '../../src/deploy/deletions-changes.ts'

const DAY = 24 * 3_600_000
const now = 100 * DAY
const moment = { now, generation: 8 }
const record: Deletions = {
  generation: 7,
  begun: 3,
  forgotten: 4,
  unreferenced: [
    { since: 10, keys: ['a', 'b'] },
    { since: 20, keys: ['c'] },
  ],
  claims: [],
  log: [
    { generation: 5, at: now - 2000, keys: ['x'] },
    { generation: 7, at: now - 1000, keys: ['y'] },
  ],
}
const wish = { id: 'mine', lasts: 1000, keys: new Set(['a', 'c', 'd']), since: 10, tags: ['t'] }

describe('strikeKeys', () => {
  it('takes keys off, and groups that are empty then', () => {
    expect(strikeKeys(record, new Set(['b', 'c'])).unreferenced).toEqual([{ since: 10, keys: ['a'] }])
  })

  it('changes nothing where none is there', () => {
    expect(strikeKeys(record, new Set(['z']))).toBe(record)
  })
})

describe('recordKeys', () => {
  it('records what is new, later by a millisecond for each key that the record holds then', () => {
    const { unreferenced } = recordKeys(record, ['a', 'd', 'e'], moment)
    expect(unreferenced).toEqual([...record.unreferenced, { since: now + 5 + 2, keys: ['d', 'e'] }])
  })

  it('leaves what is recorded as it is, and what is claimed', () => {
    const claimed = claimKeys(record, wish, moment)
    expect(recordKeys(claimed, ['a', 'b', 'c', 't'], moment)).toBe(claimed)
  })
})

describe('claimKeys', () => {
  it('claims what is recorded and old enough, and tags', () => {
    const { claims, unreferenced } = claimKeys(record, wish, moment)
    expect(claims).toEqual([
      { id: 'mine', until: now + 5 + 1 + 1000, tags: ['t'], unreferenced: [{ since: 10, keys: ['a'] }] },
    ])
    expect(unreferenced).toEqual([
      { since: 10, keys: ['b'] },
      { since: 20, keys: ['c'] },
    ])
  })

  it('leaves what others have claimed, keys and tags', () => {
    const claimed = claimKeys(record, wish, moment)
    expect(claimKeys(claimed, { ...wish, id: 'other' }, moment)).toBe(claimed)
  })

  it('finds that it has claimed already', () => {
    const claimed = claimKeys(record, wish, moment)
    expect(claimKeys(claimed, { ...wish, keys: new Set(['b']), tags: ['u'] }, moment)).toBe(claimed)
  })
})

describe('claimedUntil', () => {
  it('is when the last claim on any of the keys ends, with what clocks may differ', () => {
    const once = claimKeys(record, wish, moment)
    const twice = claimKeys(once, { ...wish, id: 'other', keys: new Set(['b']), tags: [], lasts: 3000 }, moment)
    expect(claimedUntil(twice, new Set(['t', 'b']))).toBe(now + 5 + 1 + 3000 + 5000)
    expect(claimedUntil(twice, new Set(['c']))).toBeUndefined()
  })
})

describe('endClaim', () => {
  const claimed = claimKeys(record, { ...wish, since: 20 }, moment)

  it('logs what was deleted and puts back what was not, as old as it was', () => {
    const ended = endClaim(claimed, 'mine', { moment, deleted: ['a', 't'] })
    expect(ended.claims).toEqual([])
    expect(ended.unreferenced).toEqual([
      { since: 10, keys: ['b'] },
      { since: 20, keys: ['c'] },
    ])
    expect(ended.log).toEqual([...record.log, { generation: 8, at: now, keys: ['a', 't'] }])
  })

  it('logs all of a claim of which nobody knows, and puts it back, but no tag', () => {
    const ended = endClaim(claimed, 'mine', { moment, deleted: undefined })
    expect(ended.log.at(-1)?.keys).toEqual(['t', 'a', 'c'])
    expect(ended.unreferenced).toEqual([
      { since: 10, keys: ['b', 'a'] },
      { since: 20, keys: ['c'] },
    ])
  })

  it('finds that it has ended', () => {
    expect(endClaim(record, 'mine', { moment, deleted: ['a'] })).toBe(record)
  })

  it('notes no deletion of nothing', () => {
    expect(endClaim(claimed, 'mine', { moment, deleted: [] })).toEqual({ ...record, unreferenced: expect.anything() })
  })

  it('forgets what is a day old, and knows that it has', () => {
    const later = { now: now + DAY - 1500, generation: 8 }
    const { log, forgotten } = endClaim(claimed, 'mine', { moment: later, deleted: ['a'] })
    expect(log.map(({ generation }) => generation)).toEqual([7, 8])
    expect(forgotten).toBe(5)
  })

  it('forgets the oldest where there is too much', () => {
    const keys = Array.from({ length: 19_999 }, (_, index) => `${index}`)
    const full = {
      ...claimed,
      log: [
        { generation: 5, at: now, keys: ['x'] },
        { generation: 6, at: now, keys },
      ],
    }
    expect(endClaim(full, 'mine', { moment, deleted: ['a'] })).toMatchObject({ forgotten: 5, log: [{}, {}] })
  })
})

describe('deletedSince', () => {
  it('is what the log says', () => {
    const isGone = deletedSince(record)
    expect([isGone('x', 4), isGone('x', 5), isGone('y', 6), isGone('y', 7), isGone('z', 4)]).toEqual([
      true,
      false,
      true,
      false,
      false,
    ])
  })

  it.each([
    ['the log does not reach back', record, 3],
    ['the record is another one', { ...record, forgotten: 0 }, 2],
    ['the record is gone', record, 8],
    ['the log has forgotten its beginning', record, 0],
  ])('is to be feared where %s', (_, deletions, generation) => {
    expect(deletedSince(deletions)('z', generation)).toBe(true)
  })

  it('is all of the log for who began before there was a record', () => {
    const isGone = deletedSince({ ...record, forgotten: 0 })
    expect([isGone('x', 0), isGone('y', 0), isGone('z', 0)]).toEqual([true, true, false])
  })
})
