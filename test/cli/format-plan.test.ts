import { describe, expect, test } from 'vitest'
import { formatDocument, formatPlan, formatProblems, hasDifferences, isRefused } from '../../src/cli/format-plan.ts'
import type { DeployPlan, PlannedTag, PlanProblem } from '../../src/deploy/report.ts'
import { digestOf } from '../../src/oci/digest.ts'

const DAY = 24 * 3_600_000

describe('a plan for people', () => {
  test('is a line for each tag and a sentence', () => {
    const plan = makePlan({
      tags: [tag('new', 'alpine', 'latest'), tag('moved', 'app', '1.0'), tag('deleted', 'old', '1')],
      send: { objects: 212, bytes: 4_100_000_000 },
      copy: { objects: 10, bytes: 1 },
      delete: { objects: 5, bytes: 1 },
      age: { objects: 12_000, bytes: 1 },
      unchanged: 9000,
    })
    expect([...formatPlan(plan, { grace: DAY })]).toEqual(
      [
        '+ alpine:latest sha256:6ae8a75555209',
        '~ app:1.0 sha256:6ae8a75555209',
        '- old:1',
        's3://b: to send: 212 objects, 4.1 GB · to copy on the store: 10 · to delete: 5 now, 12,000 after 24 h · unchanged: 9,000',
      ].map(line => line.replace(/6ae8a75555209/, digestOf('x').slice(7, 19))),
    )
  })

  test.each([
    [1, undefined],
    [50, undefined],
    [51, 'and 1 more tag'],
    [1050, 'and 1,000 more tags'],
  ])('of %d tags is cut', (count, rest) => {
    const lines = [...formatPlan(makePlan({ tags: tags(count) }), { grace: DAY })]
    expect(lines.slice(0, -1).slice(50)).toEqual(rest === undefined ? [] : [rest])
    expect(lines.filter(line => line.startsWith('+'))).toHaveLength(Math.min(50, count))
  })

  test('says where there is nothing to do, and what only waits', () => {
    const nothing = makePlan({ unchanged: 9000 })
    expect([...formatPlan(nothing, { grace: DAY })]).toEqual(['s3://b: no differences, 9,000 objects unchanged'])
    const waiting = makePlan({
      unchanged: 1,
      age: { objects: 2, bytes: 1 },
      objects: [{ key: 'k', action: 'age', change: 'deleted', size: 1 }],
    })
    expect(hasDifferences(waiting)).toBe(false)
    expect([...formatPlan(waiting, { grace: 30 * 60_000 })]).toEqual([
      's3://b: no differences, 1 object unchanged; to delete: 2 after 30 min',
    ])
  })

  test('has differences where anything is written or deleted, tags or not', () => {
    for (const action of ['send', 'copy', 'delete'] as const)
      expect(hasDifferences(makePlan({ objects: [{ key: 'k', action, change: 'new', size: 1 }] }))).toBe(true)
    expect(hasDifferences(makePlan({ tags: tags(1) }))).toBe(true)
    expect(hasDifferences(makePlan({}))).toBe(false)
  })
})

describe('the problems of a plan', () => {
  const problem = (level: PlanProblem['level'], text: string, hint?: string): PlanProblem => ({
    ...{ level, code: 'incomplete', text },
    ...(hint === undefined ? {} : { hint }),
  })

  test('are told with their way out, those that refuse it first', () => {
    const plan = makePlan({ problems: [problem('warn', 'one', 'do a'), problem('refuse', 'two', 'do b')] })
    expect([...formatProblems(plan)]).toEqual(['refused: two\n  do b', 'warning: one\n  do a'])
    expect(isRefused(plan)).toBe(true)
    expect(isRefused(makePlan({ problems: [problem('warn', 'one')] }))).toBe(false)
  })

  test('that have one way out name it once, and are cut', () => {
    const many = Array.from({ length: 25 }, (_, index) => problem('refuse', `p${index}`, index < 2 ? 'do a' : 'do b'))
    const lines = [...formatProblems(makePlan({ problems: many }))]
    expect(lines.slice(0, 3)).toEqual(['refused: p0', 'refused: p1\n  do a', 'refused: p2'])
    expect(lines.slice(-2)).toEqual(['refused: p19\n  do b', 'and 5 more'])
  })
})

describe('a plan for programs', () => {
  test.each([0, 1, 3])('is one JSON document of %d objects', count => {
    const objects = Array.from(
      { length: count },
      (_, index) => ({ key: `v2/${index}`, action: 'send', change: 'new', size: index }) as const,
    )
    const document = { tags: tags(2), objects, rest: { target: 's3://b', unchanged: 3 } }
    const text = [...formatDocument(document, 'json')].join('\n')
    expect(JSON.parse(text)).toEqual({ target: 's3://b', unchanged: 3, tags: tags(2), objects })
  })

  test('is lines with a type each, the sum last', () => {
    const objects = [{ key: 'v2/x', action: 'copy', change: 'new', size: 1 }] as const
    const lines = [...formatDocument({ tags: tags(1), objects, rest: { target: 's3://b' } }, 'ndjson')]
    expect(lines.map(line => JSON.parse(line) as unknown)).toEqual([
      { type: 'tag', ...tags(1)[0] },
      { type: 'object', ...objects[0] },
      { type: 'summary', target: 's3://b' },
    ])
  })
})

function makePlan(given: Partial<DeployPlan>): DeployPlan {
  const none = { objects: 0, bytes: 0 }
  const amounts = { send: none, copy: none, delete: none, age: none, unchanged: 0 }
  const objects = given.tags === undefined ? [] : [{ key: 'k', action: 'send', change: 'new', size: 1 } as const]
  return { target: 's3://b', tags: [], objects, problems: [], ...amounts, ...given }
}

function tag(change: PlannedTag['change'], repository: string, name: string): PlannedTag {
  return { repository, tag: name, change, ...(change === 'deleted' ? {} : { digest: digestOf('x') }) }
}

function tags(count: number): readonly PlannedTag[] {
  return Array.from({ length: count }, (_, index) => tag('new', 'app', `t${index}`))
}
