import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { writeServingTree } from '../contract/serving-fixture.ts'
import { compareAnswers, type Difference, formatDifferences } from './support/compare-answers.ts'
import { EXCEPTIONS, exceptedServers, excuses } from './support/exceptions.ts'
import { listQuestions } from './support/questions.ts'
import type { Hosted } from './support/registrish.ts'
import { describeWith } from './support/suites.ts'
import { WEB_SERVERS } from './support/web-servers.ts'

/* One tree, all servers, thousands of requests: whoever asks cannot tell which server answered, but for what is listed in support/exceptions.ts. */

const needs = [...new Set(WEB_SERVERS.flatMap(server => server.needs))]

describeWith(needs, 'one tree on every server', () => {
  const running = new Map<string, Hosted>()
  let root: string
  let asked: number
  let differences: readonly Difference[]

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'rgs-'))
    const tree = writeServingTree(root)
    await rebuildDocuments(root)
    for (const { name, start } of WEB_SERVERS) running.set(name, await start(root))
    const questions = listQuestions(tree)
    asked = questions.length
    differences = await compareAnswers(new Map([...running].map(([name, { url }]) => [name, url])), questions)
  })
  afterAll(async () => {
    for (const { close } of running.values()) await close()
    rmSync(root, { recursive: true, force: true })
  })

  it('is answered the same to every question', () => {
    expect(asked).toBeGreaterThan(3000)
    const left = differences.filter(difference => {
      const { values } = withoutExcepted(difference)
      return new Set(values.values()).size > 1
    })
    if (left.length > 0) expect.fail(`\n\n${formatDifferences(left.map(withoutExcepted))}\n`)
  })

  it.for(EXCEPTIONS.flatMap(exception => exception.servers.map(server => ({ server, exception }))))(
    '$server still differs in: $exception.name',
    ({ server, exception }) => {
      const still = differences
        .filter(difference => excuses(exception, difference))
        .some(difference => {
          const others = [...withoutExcepted(difference).values.values()]
          return others.length > 0 && !others.includes(difference.values.get(server))
        })
      expect(still, `${server} answers as the others do: take it out of the exceptions`).toBe(true)
    },
  )
})

function withoutExcepted(difference: Difference): Difference {
  const excepted = exceptedServers(difference)
  return { ...difference, values: new Map([...difference.values].filter(([server]) => !excepted.has(server))) }
}
