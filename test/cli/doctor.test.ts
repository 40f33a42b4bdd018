import { describe, expect, onTestFinished, test } from 'vitest'
import type { RunContext } from '../../src/cli/command.ts'
import { CHECKS, CLIENTS, type DoctorReport } from '../../src/doctor/report.ts'
import { fails, only } from '../support/registry-faults.ts'
import { answersRight } from '../support/right-answers.ts'
import { type Outcome, runCommand } from '../support/run-command.ts'
import { type Hook, startTestRegistry } from '../support/test-registry.ts'
import { makeWrongRegistryImages } from '../support/wrong-registry-images.ts'

/* What `doctor` prints and ends with; what it finds is in test/doctor. */

/** podman and crane cannot pull from there; docker, containerd and the rest can. */
const WITHOUT_VERSION: Hook = only(/^GET \/v2\/$/, fails(404))

describe('the exit code', () => {
  test.each([
    [[], 2],
    [['--client', 'podman'], 2],
    [['--client', 'docker,podman'], 2],
    [['--client', 'docker', '--client', 'crane'], 2],
    [['--client', 'docker'], 0],
    [['--client', 'docker,containerd,oras,helm'], 0],
  ])('with %j is %d where podman and crane fail', async (flags, code) => {
    const host = await start(WITHOUT_VERSION)
    expect((await doctor([`${host}/multi:latest`, ...flags])).code).toBe(code)
  })

  test('is 0 where there are caveats only', async () => {
    expect((await doctor([`${await start()}/multi:latest`])).code).toBe(0)
  })

  test('is 5 where there is no image to try, and no client is said to work', async () => {
    const host = await start(only(/_catalog/, fails(404)))
    const { code, printed } = await doctor([host])
    expect(code).toBe(5)
    expect(printed.filter(line => / works/.test(line))).toEqual([])
    expect(printed.join('\n')).toContain('name one: registrish doctor host/name:tag')
  })

  test('is 2 where nobody listens', async () => {
    const registry = await startTestRegistry()
    await registry.close()
    const { code, printed } = await doctor([registry.host], 'json')
    expect(code).toBe(2)
    const { checks, clients } = JSON.parse(printed.join('\n')) as DoctorReport
    const troubles = checks.filter(({ outcome }) => outcome === 'failed' || outcome === 'caveat')
    expect(troubles.map(({ check }) => check)).toEqual(['connection'])
    expect(clients.map(({ verdict, because }) => [verdict, because])).toEqual(
      CLIENTS.map(() => ['fails', ['connection']]),
    )
    expect((await doctor([registry.host])).printed).toContain('nothing else could be checked')
  })
})

describe('what is printed', () => {
  test('for people: verdicts, and of each trouble what was seen, what is needed and what to do', async () => {
    const host = await start(WITHOUT_VERSION)
    const { printed } = await doctor([`${host}/multi:latest`])
    expect(printed[0]).toBe(`http://${host} · multi:latest`)
    expect(printed).toContainEqual(expect.stringMatching(/^podman, skopeo, CRI-O +fails +version, plain-http$/))
    expect(printed).toContainEqual(expect.stringMatching(/^docker +works *$/))
    const trouble = printed.slice(printed.indexOf('FAILED version: /v2/ is 404, not 200'))
    expect(trouble.slice(1, 4)).toEqual([`  asked   GET http://${host}/v2/`, '  seen    404', '  needed  200'])
    expect(trouble.join('\n')).toContain('answer /v2/ with 200 and {}')
  })

  test('for programs: all checks in their order, all clients', async () => {
    const host = await start(WITHOUT_VERSION)
    const { printed } = await doctor([`http://${host}/multi:latest`], 'json')
    const { checks, clients, ...rest } = JSON.parse(printed.join('\n')) as DoctorReport
    expect(rest).toEqual({ url: `http://${host}`, image: 'multi:latest' })
    expect(checks.map(({ check }) => check)).toEqual(CHECKS)
    expect(clients.map(({ client }) => client)).toEqual(CLIENTS)
    expect(checks.find(({ check }) => check === 'version')).toMatchObject({
      outcome: 'failed',
      request: `GET http://${host}/v2/`,
      seen: '404',
      needed: '200',
      clients: { podman: { verdict: 'fails' }, crane: { verdict: 'fails' } },
      fix: expect.stringContaining('/v2/'),
    })
    expect(clients.find(({ client }) => client === 'crane')).toEqual({
      client: 'crane',
      verdict: 'fails',
      because: ['version'],
    })
  })

  test('for programs that read line by line: one line for each check and each client', async () => {
    const { printed } = await doctor([`${await start()}/multi:latest`], 'ndjson')
    const lines = printed.map(line => JSON.parse(line) as Readonly<Record<string, unknown>>)
    expect(lines.map(({ check, client }) => check ?? client)).toEqual([...CHECKS, ...CLIENTS])
    for (const line of lines) expect(line).toMatchObject({ image: 'multi:latest' })
  })
})

test('an image is found in the catalogue, one with several platforms rather', async () => {
  const { printed } = await doctor([await start()], 'json')
  expect(JSON.parse(printed.join('\n'))).toMatchObject({ image: 'multi:latest' })
})

describe('a usage error', () => {
  test.each([
    [[]],
    [['alpine']],
    [['library/alpine']],
    [['ftp://registry.example.com']],
    [['https://registry.example.com/v2/alpine/manifests/latest']],
    [['registry.example.com/a//b']],
    [['registry.example.com/UPPER']],
    [['registry.example.com', '--client', 'nerdctl']],
    [['registry.example.com', '--client', 'docker,nerdctl']],
    [['registry.example.com', 'another.example.com']],
  ])('is %j', async words => {
    await expect(doctor(words)).rejects.toMatchObject({ code: 'usage' })
  })
})

async function start(...hooks: readonly Hook[]): Promise<string> {
  const { repositories } = await makeWrongRegistryImages('doctor-command')
  const registry = await startTestRegistry({ repositories, hooks, hook: answersRight(Object.keys(repositories)) })
  onTestFinished(registry.close)
  return registry.host
}

function doctor(words: readonly string[], output: RunContext['output'] = 'text'): Promise<Outcome> {
  return runCommand(['doctor', ...words], { output })
}
