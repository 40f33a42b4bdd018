import { describe, expect, it } from 'vitest'
import type { Deletions } from '../../src/deploy/deletions.ts'
import { planPrune, refuseHalf } from '../../src/deploy/prune-plan.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { blobPath, manifestPath, tagsListPath } from '../../src/tree/layout.ts'

const blobs = ['1', '2', '3', '4'].map(text => blobPath('a', digestOf(text))) as [string, string, string, string]
const [one, two, three, four] = blobs
const manifest = manifestPath('a', digestOf('m'))
const [mine, foreign] = [manifestPath('a', 'mine'), manifestPath('a', 'foreign')]
const NOTHING: Deletions = { generation: 5, begun: 5, forgotten: 0, unreferenced: [], claims: [], log: [] }

function plan(
  keys: readonly string[],
  options: { keep?: readonly string[]; tags?: readonly string[]; record?: Partial<Deletions>; grace?: number } = {},
): ReturnType<typeof planPrune> {
  const { keep = [], tags = [], record = {}, grace = 100_000 } = options
  return planPrune({
    objects: new Map(keys.map(key => [key, { key, size: 1, etag: `of ${key}` }])),
    keep: key => keep.includes(key),
    foreignTags: tags,
    deletions: { ...NOTHING, ...record },
    listedAt: 1_000_000,
    grace,
  })
}

describe('planPrune', () => {
  it('records what nothing refers to, documents of nobody too, and never a tag', () => {
    const list = tagsListPath('gone')
    expect(plan([one, two, manifest, list, mine], { keep: [two] })).toEqual({
      tags: [],
      age: [one, manifest, list],
      delete: [],
      strike: [],
    })
  })

  it('deletes what was recorded a grace ago, and leaves what was later to the next run', () => {
    const record = {
      unreferenced: [
        { since: 900_000, keys: [one] },
        { since: 900_001, keys: [two] },
      ],
    }
    expect(plan([one, two, three], { record })).toMatchObject({ delete: [one], age: [three], strike: [] })
  })

  it('leaves a minute at least, whatever the grace', () => {
    const record = {
      unreferenced: [
        { since: 940_000, keys: [one] },
        { since: 940_001, keys: [two] },
      ],
    }
    expect(plan([one, two], { record, grace: 0 })).toMatchObject({ delete: [one] })
  })

  it('strikes off what is kept again, and what is gone', () => {
    const record = { unreferenced: [{ since: 1, keys: [one, two, three] }] }
    expect(plan([one, two], { record, keep: [two] })).toEqual({
      tags: [],
      age: [],
      delete: [one],
      strike: [two, three],
    })
  })

  it('leaves to another pruner what that one has claimed', () => {
    const claim = { id: 'x', until: 1_050_000, tags: [foreign], unreferenced: [{ since: 1, keys: [four] }] }
    expect(plan([four, foreign], { record: { claims: [claim] }, tags: [foreign] })).toEqual({
      tags: [],
      age: [],
      delete: [],
      strike: [],
    })
  })

  it('names tags as they were listed, those that are there and not kept', () => {
    const tags = [foreign, mine, manifestPath('a', 'absent'), foreign]
    expect(plan([foreign, mine], { tags, keep: [mine] }).tags).toEqual([{ key: foreign, etag: `of ${foreign}` }])
  })
})

describe('refuseHalf', () => {
  it('refuses to delete more than half', () => {
    expect(() => refuseHalf({ total: 1000, going: 500, force: false })).not.toThrow()
    expect(() => refuseHalf({ total: 1000, going: 501, force: true })).not.toThrow()
    expect(() => refuseHalf({ total: 0, going: 0, force: false })).not.toThrow()
    expect(() => refuseHalf({ total: 1000, going: 501, force: false })).toThrow(
      expect.objectContaining({
        code: 'conflict',
        message: '--prune would delete 501 of 1,000 objects',
        hint: expect.stringMatching(/--force/),
      }),
    )
  })
})
