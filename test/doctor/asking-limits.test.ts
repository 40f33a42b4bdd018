import { describe, expect, onTestFinished, test } from 'vitest'
import { createAsk } from '../../src/doctor/ask.ts'
import { type ExamineOptions, examineRegistry } from '../../src/doctor/examine.ts'
import { createPatience } from '../../src/doctor/patience.ts'
import type { DoctorReport } from '../../src/doctor/report.ts'
import { createHttpClient } from '../../src/http/client.ts'
import { breaksAfter, fails, first, neverAnswers, only } from '../support/registry-faults.ts'
import { answersRight } from '../support/right-answers.ts'
import { type Hook, startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { makeWrongRegistryImages } from '../support/wrong-registry-images.ts'

/* Registries that count requests, are out of order for a while, or never come to an end. */

const LIMITED = 'the host limits requests (429): run it again later'
const TAG_GET = /^GET \/v2\/multi\/manifests\/latest$/

describe('a registry that wants to be asked again later', () => {
  test.each<[string, Hook, readonly number[]]>([
    ['429 for a blob, with a pause', only(/\/blobs\/sha256/, first(1, fails(429, { 'retry-after': '7' }))), [7000]],
    ['429 without a pause', only(TAG_GET, first(2, fails(429))), [1000, 2000]],
    ['503 with a pause', only(TAG_GET, first(1, fails(503, { 'retry-after': '20' }))), [20_000]],
  ])('is, and is right then: %s', async (_, hook, pauses) => {
    const { host } = await start(hook)
    const { report, slept } = await examine(`${host}/multi:latest`)
    expect(troubles(report)).toEqual(['plain-http'])
    expect(slept.slice(0, pauses.length)).toEqual(pauses)
  })

  test('is, at the date that it names', async () => {
    const date = new Date(Date.now() + 25_000).toUTCString()
    const { host } = await start(only(TAG_GET, first(1, fails(429, { 'retry-after': date }))))
    const { report, slept } = await examine(`${host}/multi:latest`)
    expect(troubles(report)).toEqual(['plain-http'])
    expect(slept[0]).toBeGreaterThan(15_000)
    expect(slept[0]).toBeLessThanOrEqual(25_000)
  })

  test.each<[string, Record<string, string>, number]>([
    ['after two repetitions', {}, 2],
    ['after 30 s in all', { 'retry-after': '20' }, 1],
    ['without a pause where that is too long', { 'retry-after': '31' }, 0],
  ])('is given up %s, and its files are not blamed', async (_, headers, pauses) => {
    const { host, lines } = await start(only(TAG_GET, fails(429, headers)))
    const { report, slept } = await examine(`${host}/multi:latest`)
    expect(report.image).toBeUndefined()
    expect(troubles(report)).toEqual(['plain-http'])
    expect(reasonOf(report)).toBe(LIMITED)
    expect(slept).toHaveLength(pauses)
    // Nor is it asked for more.
    expect(lines().at(-1)).toBe('GET /v2/multi/manifests/latest 429')
  })

  test('is not blamed for what it did not show after the tag', async () => {
    const { host } = await start(only(/\/blobs\/sha256/, fails(429)))
    const { report } = await examine(`${host}/multi:latest`)
    expect(report.image).toBeUndefined()
    expect(reasonOf(report)).toBe(LIMITED)
  })

  test('is out of order where it stays so, and is waited for once', async () => {
    const { host } = await start(only(/\/manifests\//, fails(503, { 'retry-after': '1' })))
    const { report, slept } = await examine(`${host}/multi:latest`)
    expect(report.checks.find(({ check }) => check === 'manifest-bytes')?.outcome).toBe('failed')
    expect(slept).toEqual([1000, 1000])
  })

  test('is not blamed where its token server counts requests', async () => {
    const challenge = 'Bearer realm="http://127.0.0.1/token",service="test"'
    const { host } = await start((request, next) => {
      if (request.path === '/token') return fails(429, { 'retry-after': '3600' })(request, next)
      const realm = challenge.replace('127.0.0.1', request.headers['host'] ?? '')
      return fails(401, { 'www-authenticate': realm })(request, next)
    })
    const { report } = await examine(`${host}/multi:latest`)
    expect(reasonOf(report)).toBe(LIMITED)
    expect(troubles(report)).toEqual(['plain-http'])
  })
})

describe('a registry that does not come to an end', () => {
  test('is told by what it sent in the time that a request has', async () => {
    const { url } = await start(only(/\/blobs\//, breaksAfter(5, 'stalls')))
    const http = createHttpClient({ env: {} })
    onTestFinished(http.close)
    const ask = createAsk({ http, origin: new URL(url), patience: createPatience({}), deadline: 500 })
    const answer = await ask('/v2/multi/blobs/any')
    expect(answer).toMatchObject({ status: 404, whole: false })
    expect(answer.broken).toBe('it sent 5 bytes in 0.5 s')
  })

  test('is told where it does not even begin', async () => {
    const { host } = await start(
      only(/^GET \/v2\/$/, (request, next) => (request.earlier > 0 ? neverAnswers : passes)(request, next)),
    )
    const { report } = await examine(`${host}/multi:latest`, { deadline: 500 })
    expect(report.checks.find(({ check }) => check === 'version')?.text).toContain('it did not answer in 0.5 s')
  })

  test('is told where no request gets an answer', async () => {
    const { host } = await start(neverAnswers)
    const { report } = await examine(`${host}/multi:latest`, { deadline: 500 })
    expect(report.checks[0]).toMatchObject({ outcome: 'failed', text: `${host} did not answer in 0.5 s` })
  })

  test('is left by whoever wants to', async () => {
    const leaving = new AbortController()
    const { host } = await start((request, next) => {
      if (!/\/blobs\/sha256/.test(request.path)) return next(request)
      leaving.abort()
      return neverAnswers(request, next)
    })
    await expect(examine(`${host}/multi:latest`, { signal: leaving.signal })).rejects.toMatchObject({ code: 'aborted' })
  })
})

const passes: Hook = (request, next) => next(request)

async function start(hook: Hook): Promise<TestRegistry> {
  const { repositories } = await makeWrongRegistryImages('limits')
  const right = answersRight(Object.keys(repositories))
  const registry = await startTestRegistry({ repositories, hooks: [hook], hook: right })
  onTestFinished(registry.close)
  return registry
}

async function examine(
  target: string,
  options: ExamineOptions = {},
): Promise<{ readonly report: DoctorReport; readonly slept: readonly number[] }> {
  const slept: number[] = []
  const sleep = async (ms: number): Promise<void> => void slept.push(ms)
  return { report: await examineRegistry(target, { env: {}, sleep, ...options }), slept }
}

function troubles({ checks }: DoctorReport): readonly string[] {
  return checks.filter(({ outcome }) => outcome === 'caveat' || outcome === 'failed').map(({ check }) => check)
}

function reasonOf({ checks }: DoctorReport): string | undefined {
  return checks.find(({ check }) => check === 'manifest-bytes')?.text
}
