import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { meetsAim, parseAim } from '../../scripts/bench/aim.ts'
import type { Bench, Case, Context, Side } from '../../scripts/bench/bench.ts'
import { makeTree } from '../../scripts/bench/make-tree.ts'
import { addUntagged, makeWholeTree } from '../../scripts/bench/make-whole-tree.ts'
import { makeRow, type Row } from '../../scripts/bench/row.ts'
import { runBench } from '../../scripts/bench/run-bench.ts'
import { median, pairRatios } from '../../scripts/bench/statistics.ts'
import { formatFigure, formatTable } from '../../scripts/bench/table.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { blobPath } from '../../src/tree/layout.ts'
import { pruneTree } from '../../src/tree/prune.ts'
import { readBlobs, readRepository } from '../../src/tree/snapshot.ts'
import { verifyTree } from '../../src/tree/verify.ts'

describe('the arithmetic of benchmarks', () => {
  test('takes the figure in the middle', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([10, 9, 100, 1])).toBe(9.5)
    expect(median([7])).toBe(7)
    expect(() => median([])).toThrow(RangeError)
  })

  test('compares each run with the one beside it', () => {
    expect(pairRatios([1, 4, 9], [2, 4, 3])).toEqual([0.5, 1, 3])
    expect(() => pairRatios([1], [])).toThrow('pairs')
  })

  test('shows three digits', () => {
    expect([41_283, 0.021_349, 12.34, 0, Number.NaN].map(formatFigure)).toEqual(['41,300', '0.0213', '12.3', '0', '?'])
  })
})

describe('an aim', () => {
  test('is for the figure or for the ratio', () => {
    expect(parseAim('<= 15 s', 's')).toEqual({ text: '<= 15 s', relation: '<=', limit: 15, ofRatio: false })
    expect(parseAim('>= 0.4 x', '/s')).toMatchObject({ relation: '>=', limit: 0.4, ofRatio: true })
  })

  test.each(['15 s', '< 15 s', '<= 15', '<= 15 MiB', '<= -1 s', '<= 1e3 s', '>= x', ''])('is not: %s', text => {
    expect(() => parseAim(text, 's')).toThrow(SyntaxError)
  })

  test('is met by the limit itself, and not judged where there is no figure', () => {
    const [most, least] = [parseAim('<= 15 s', 's'), parseAim('>= 0.4 x', 's')]
    expect([14, 15, 15.1, Number.NaN].map(value => meetsAim(most, value))).toEqual([true, true, false, undefined])
    expect([0.39, 0.4, 2].map(value => meetsAim(least, value))).toEqual([false, true, true])
  })
})

describe('a row', () => {
  const place = { bench: 'copy', case: 'small' }
  const ours = { name: 'ours', samples: [{ s: 1 }, { s: 9 }, { s: 2 }] }
  const against = { name: 'theirs', samples: [{ s: 2 }, { s: 6 }, { s: 8 }] }

  test('holds the median of the ratios, not the ratio of the medians', () => {
    const row = makeRow(place, { key: 's', name: 'time', unit: 's', aim: '<= 0.5 x' }, [ours, against])
    expect(row).toMatchObject({ ours: { median: 2 }, against: { median: 6 }, ratio: { median: 0.5 }, met: true })
  })

  test('judges the figure by its own unit', () => {
    expect(makeRow(place, { key: 's', name: 'time', unit: 's', aim: '<= 1.9 s' }, [ours])).toMatchObject({ met: false })
    expect(makeRow(place, { key: 's', name: 'time', unit: 's' }, [ours])).not.toHaveProperty('met')
  })

  test('says where there is no figure', () => {
    const row = makeRow(place, { key: 'memory', name: 'memory', unit: 'MiB', aim: '<= 4 MiB' }, [ours])
    expect(row).not.toHaveProperty('met')
    expect(formatTable([row], new Map())).toContain('not measurable here')
  })
})

describe('the table', () => {
  test('names what was met, what was missed, and what was not run and why', () => {
    const side = (name: string, ...values: number[]) => ({ name, samples: values.map(s => ({ s })) })
    const measure = { key: 's', name: 'time', unit: 's', aim: '<= 0.5 x' }
    const rows: readonly Row[] = [
      makeRow({ bench: 'copy', case: 'small' }, measure, [side('a', 1, 1), side('b', 4, 2)]),
      makeRow({ bench: 'copy', case: 'a large one' }, measure, [side('a', 1200), side('b', 1000)]),
      { bench: 'copy', case: 'odd', notRun: 'nothing-like-it is not here', failed: false },
      { bench: 'serve', notRun: 'it broke', failed: true },
    ]
    const lines = formatTable(rows, new Map([['copy', 'a copy against another']])).split('\n')
    expect(lines).toEqual([
      'copy: a copy against another',
      '  case         figure  measured  against  ratio    from–to  aim',
      '  small        time         1 s      3 s   0.38  0.25–0.50  <= 0.5 x  met',
      '  a large one  time     1,200 s  1,000 s   1.20             <= 0.5 x  MISSED',
      '  odd: NOT RUN: nothing-like-it is not here',
      '',
      'serve: ',
      '  nothing: FAILED: it broke',
      '',
    ])
  })
})

describe('a bench', () => {
  const log: string[] = []
  const side = (name: string): Side => ({
    name,
    async run() {
      log.push(name)
      return { s: 1 }
    },
  })
  const one = (name: string, more: Partial<Case> = {}): Case => ({
    name,
    needs: [],
    measures: [{ key: 's', name: 'time', unit: 's' }],
    setup: async () => [side('A'), side('B')],
    ...more,
  })
  const bench = (cases: readonly Case[], needs: readonly string[] = []): Bench => ({
    name: 'copy',
    summary: '',
    needs,
    runs: { full: 3, quick: 1 },
    async prepare({ folder }) {
      log.push(folder)
      return cases
    },
  })
  const run = (what: Bench, quick = false): Promise<readonly Row[]> => runBench(what, { quick, say: () => undefined })

  test('runs both sides in turn in a folder that goes afterwards', async () => {
    log.length = 0
    const rows = await run(bench([one('small')]))
    const [folder = '', ...order] = log
    expect(order).toEqual(['A', 'B', 'A', 'B', 'A', 'B'])
    expect(existsSync(folder)).toBe(false)
    expect(rows).toMatchObject([{ bench: 'copy', case: 'small', ours: { values: [1, 1, 1] }, ratio: { median: 1 } }])
    log.length = 0
    await run(bench([one('small')]), true)
    expect(log).toHaveLength(3)
  })

  test('says which program is absent and goes on', async () => {
    const rows = await run(bench([one('odd', { needs: ['no-such-program', 'node'] }), one('small')]))
    expect(rows).toMatchObject([
      { case: 'odd', failed: false, notRun: expect.stringMatching(/^no-such-program is not here; /) },
      { case: 'small', measure: 'time' },
    ])
    expect(await run(bench([one('small')], ['no-such-program', 'nor-this']))).toMatchObject([
      { failed: false, notRun: expect.stringMatching(/^no-such-program, nor-this are not here; /) },
    ])
  })

  test('says what else is lacking and goes on', async () => {
    const rows = await run(bench([one('odd', { lacks: 'there is no disk' }), one('small')]))
    expect(rows).toMatchObject([{ case: 'odd', failed: false, notRun: 'there is no disk' }, { case: 'small' }])
    const large: Bench = { ...bench([one('small')]), room: { bytes: 2 ** 60, files: 1 } }
    expect(await run(large)).toMatchObject([{ failed: false, notRun: 'there is no room for its files' }])
  })

  test.each(['all is well', 'a case goes wrong', 'nothing can be prepared'])(
    'ends what it was told to end while its folder is there, the last first: %s',
    async how => {
      const ended: string[] = []
      const prepare = async ({ folder, atEnd }: Context): Promise<readonly Case[]> => {
        for (const name of ['first', 'second'])
          atEnd(async () => {
            ended.push(`${name} ${existsSync(folder)}`)
            if (name === 'second') throw new Error('it hangs')
          })
        if (how === 'nothing can be prepared') throw new Error(how)
        return [one('small', how === 'all is well' ? {} : { setup: () => Promise.reject(new Error(how)) })]
      }
      const said: string[] = []
      await runBench({ ...bench([]), prepare }, { quick: true, say: text => said.push(text) })
      expect(ended).toEqual(['second true', 'first true'])
      expect(said).toContain('copy: it hangs')
    },
  )

  test('says what went wrong and goes on', async () => {
    const broken = one('odd', { setup: () => Promise.reject(new Error('it broke')) })
    expect(await run(bench([broken, one('small')]))).toMatchObject([
      { case: 'odd', failed: true, notRun: 'it broke' },
      { case: 'small' },
    ])
  })
})

test('the made tree is what a tree should be, with a layer that nobody could read by accident', async () => {
  const root = mkdtempSync(join(tmpdir(), 'rgb-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const tree = await makeTree(root, { repositories: 12, tags: 3 })
  expect(tree.byTag).toHaveLength(36)
  expect(new Set(tree.byDigest).size).toBe(36)
  expect(tree.byTag[3]).toBe('/v2/team-1/app-0001/manifests/1.0')
  const { tags, manifests, problems } = await readRepository(root, 'team-1/app-0001')
  expect([...tags.keys()]).toEqual(['1.0', '1.1', '1.2'])
  expect([manifests.size, problems]).toEqual([3, []])
  const sizes = tree.byTag.map(path => statSync(join(root, path)).nlink)
  expect(new Set(sizes)).toEqual(new Set([2]))
})

test('a tree made to be verified is right, shares blobs between repositories, and is so again after a prune', async () => {
  const root = mkdtempSync(join(tmpdir(), 'registrish-test-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const made = await makeWholeTree(root, 22)
  const tree = openTree(root)
  const { problems, notes, steps } = await verifyTree(tree)
  expect([problems, notes]).toEqual([[], []])
  const checked = new Map(steps.map(step => [step.name, step.checked]))
  const files = ['tags', 'manifests', 'blobs'] as const
  expect(files.reduce((sum, name) => sum + (checked.get(name) ?? 0), 0)).toBe(made.files)
  const links = (await readBlobs(root, 'team-0/app-0000')).map(
    ({ digest }) => statSync(join(root, blobPath('team-0/app-0000', digest))).nlink,
  )
  expect(new Set(links)).toEqual(new Set([1, 20]))
  addUntagged(made)
  const { repositories } = await pruneTree(tree)
  expect(repositories.map(({ manifests, blobs }) => [manifests.length, blobs.length])).toEqual(
    Array.from({ length: 22 }, () => [1, 8]),
  )
  expect((await verifyTree(tree)).problems).toEqual([])
})
