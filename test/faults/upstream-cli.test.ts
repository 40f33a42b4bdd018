import type * as timers from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { fails, first, only, redirects, sendsHeaders, wrongBytes } from '../support/registry-faults.ts'
import type { Hook } from '../support/test-registry.ts'
import { publishedTree } from './support/published-tree.ts'
import { portal } from './support/upstream-faults.ts'
import { startWorld, type World } from './support/upstream-world.ts'

/* What people are told when the upstream misbehaves: the exit code, one line that names the failure, below it the way out. */

/** Pauses pass at once. */
vi.mock('node:timers/promises', async original => ({
  ...(await original<typeof timers>()),
  setTimeout: async () => new Promise(setImmediate),
}))

interface Case {
  readonly fault: Hook
  readonly exitCode: number
  /** The code in JSON. */
  readonly code: string
  readonly message: RegExp
  readonly hint: RegExp
}

const cases: Readonly<Record<string, Case>> = {
  'wrong bytes': {
    fault: only(/^GET .*\/blobs\//, wrongBytes),
    exitCode: 1,
    code: 'digest-mismatch',
    message: /^registrish: .*blob sha256:/,
    hint: /damaged/,
  },
  'wrong digest header': {
    fault: only(/^GET .*\/manifests\//, sendsHeaders({ 'docker-content-digest': digestOf('other') })),
    exitCode: 1,
    code: 'digest-mismatch',
    message: /^registrish: .* is not sha256:/,
    hint: /the registry is damaged, or something on the way changes its answers; nothing of it was kept/,
  },
  'redirect loop': {
    fault: only(
      /\/blobs\//,
      redirects(({ path }) => path),
    ),
    exitCode: 1,
    code: 'bad-answer',
    message: /^registrish: 127\.0\.0\.1:\d+ redirects in a circle$/m,
    hint: /tell those who run the registry/,
  },
  'HTML with 200: a captive portal': {
    fault: portal,
    exitCode: 1,
    code: 'bad-answer',
    message: /^registrish: .* sends a web page \(HTML\) in place of /,
    hint: /does a login page of the network or a proxy stand in between/,
  },
  'a repository that is not there': {
    fault: (request, next) => next({ ...request, path: request.path.replace('/v2/app/', '/v2/other/') }),
    exitCode: 5,
    code: 'not-found',
    message: /^registrish: 127\.0\.0\.1:\d+ has no repository called app$/m,
    hint: /check the spelling of the name/,
  },
}

/** Failures that would meet every image: there is no report, also in JSON. */
const fatal: Readonly<Record<string, Omit<Case, 'code'>>> = {
  '429 with Retry-After': {
    fault: fails(429, { 'retry-after': '3600' }),
    exitCode: 4,
    message: /^registrish: .* limits how much may be fetched: it resets at .* UTC, in 1 h$/m,
    hint: /run the same command again then: what was fetched is kept/,
  },
  '503, each time': {
    fault: fails(503),
    exitCode: 1,
    message: /^registrish: .* is out of order: \S+ answers 503 Service Unavailable$/m,
    hint: /run the same command again later: what was fetched is kept/,
  },
  '403': {
    fault: fails(403),
    exitCode: 1,
    message: /^registrish: .* does not show app to anonymous users: it does not exist, or needs a login$/m,
    hint: /docker login 127\.0\.0\.1/,
  },
}

describe('the command line', () => {
  test.each(Object.entries({ ...cases, ...fatal }))('says what failed and the way out: %s', async (_, expected) => {
    const world = await prepare(expected.fault)
    const before = await publishedTree(world.root)
    const { exitCode, printed, said } = await run(world)
    expect(exitCode).toBe(expected.exitCode)
    expect(printed).toBe('')
    const start = said.search(/^registrish: /m)
    expect(said.slice(start), said).toMatch(expected.message)
    const [, hint = ''] = said.slice(start).split('\n')
    expect(hint, said).toMatch(/^ {2}\S/)
    expect(hint).toMatch(expected.hint)
    expect(said).not.toMatch(/defect|\bat .*\.ts:\d/)
    expect(await publishedTree(world.root)).toEqual(before)
    world.mend()
    expect(await run(world)).toMatchObject({ exitCode: 0 })
  })

  test.each(Object.entries(cases))('gives the same in JSON: %s', async (_, { fault, exitCode, code, hint }) => {
    const world = await prepare(fault)
    const outcome = await run(world, ['--output', 'json'])
    expect(outcome.exitCode).toBe(exitCode)
    expect(JSON.parse(outcome.printed)).toMatchObject({
      images: [{ changed: false, error: { code, hint: expect.stringMatching(hint) } }],
    })
  })

  test('says nothing of what passed: 503 once for everything', async () => {
    const world = await prepare(first(1, fails(503)))
    const { exitCode, printed, said } = await run(world)
    expect(exitCode).toBe(0)
    expect(printed).toBe(`app:latest  ${world.good.root.digest}  new\n`)
    expect(said).not.toMatch(/^registrish: /m)
  })
})

/** A tree with an older image, and an upstream that misbehaves from now on. */
async function prepare(fault: Hook): Promise<World> {
  const world = await startWorld()
  expect(await run(world)).toMatchObject({ exitCode: 0 })
  world.upstream.put('app', 'latest', world.good)
  world.upstream.forget()
  world.misbehave(fault)
  return world
}

interface Run {
  readonly exitCode: number
  readonly printed: string
  readonly said: string
}

/** Fetches `app:latest` as a command, in this process. */
async function run({ upstream, root }: World, more: readonly string[] = []): Promise<Run> {
  const error = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const result = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const restore = (): void => {
    error.mockRestore()
    result.mockRestore()
  }
  onTestFinished(restore)
  const exitCode = await runCli(['fetch', `${upstream.host}/app`, 'latest', '--root', root, ...more])
  const [printed = '', said = ''] = [result, error].map(({ mock }) => mock.calls.map(([text]) => text).join(''))
  restore()
  return { exitCode, printed, said }
}
