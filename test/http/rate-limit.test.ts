import { describe, expect, test } from 'vitest'
import type { HttpResponse } from '../../src/http/client.ts'
import { passingFailure } from '../../src/http/status.ts'
import { failureOf } from '../registry/registry-support.ts'

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0)

/** An answer without a body. */
function answer(status: number, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return {
    status,
    url: new URL('https://registry-1.docker.io/v2/library/alpine/manifests/latest'),
    header: name => headers[name],
    headers: () => headers,
    body: (async function* () {})(),
    bytes: async () => new Uint8Array(),
    text: async () => '',
    discard: async () => {},
  }
}

async function judge(
  status: number,
  headers: Readonly<Record<string, string>> = {},
): ReturnType<typeof passingFailure> {
  return passingFailure(answer(status, headers), 'docker.io', NOW)
}

describe('a status', () => {
  test.each([200, 206, 304, 400, 401, 403, 404, 405, 416, 501])('%d is for the caller', async status => {
    expect(await judge(status)).toBeUndefined()
  })

  test.each([408, 429, 500, 502, 503, 504])('%d passes', async status => {
    expect(await judge(status)).toMatchObject({ failed: { side: 'source' } })
  })

  test('503 is named with its host', async () => {
    expect((await judge(503))?.failed).toMatchObject({
      code: 'unreachable',
      message: 'docker.io is out of order: registry-1.docker.io answers 503 Service Unavailable',
    })
  })
})

describe('a pause is honoured', () => {
  test.each([
    ['in seconds', { 'retry-after': '7' }, 7000],
    ['none', { 'retry-after': '0' }, 0],
    ['as a date', { 'retry-after': 'Sat, 21 Nov 2026 12:00:30 GMT' }, 30_000],
    ['as a date that has passed', { 'retry-after': 'Sat, 21 Nov 2026 11:00:00 GMT' }, 0],
    ['as a moment', { 'x-retry-after': String(NOW / 1000 + 20) }, 20_000],
    ['not where it makes no sense', { 'retry-after': 'soon' }, undefined],
    ['of a minute', { 'retry-after': '60' }, 60_000],
  ])('%s', async (_, headers, delay) => {
    for (const status of [429, 503]) expect((await judge(status, headers))?.delay).toBe(delay)
  })
})

describe('a limit that lasts longer is thrown at once, saying when it resets', () => {
  const cases: Readonly<
    Record<string, readonly [number, Readonly<Record<string, string>>, string, number | undefined]>
  > = {
    'Docker Hub with Retry-After': [
      429,
      { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600', 'retry-after': '5400' },
      'docker.io limits how much may be fetched (100 in 6 h allowed, 0 left): it resets at 2026-11-21 13:30:00 UTC, in 1 h 30 min',
      NOW + 5_400_000,
    ],
    'Docker Hub without it': [
      429,
      { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' },
      'docker.io limits how much may be fetched (100 in 6 h allowed, 0 left): it resets within 6 h',
      undefined,
    ],
    'a date': [
      503,
      { 'retry-after': 'Sat, 21 Nov 2026 12:01:01 GMT' },
      'docker.io limits how much may be fetched: it resets at 2026-11-21 12:01:01 UTC, in 61 s',
      NOW + 61_000,
    ],
    'a reset in seconds': [
      429,
      { 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '0', 'ratelimit-reset': '600' },
      'docker.io limits how much may be fetched (60 requests allowed, 0 left): it resets at 2026-11-21 12:10:00 UTC, in 10 min',
      NOW + 600_000,
    ],
    'a reset as a moment': [
      429,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW / 1000 + 7200) },
      'docker.io limits how much may be fetched (0 left): it resets at 2026-11-21 14:00:00 UTC, in 2 h',
      NOW + 7_200_000,
    ],
  }

  test.each(Object.entries(cases))('%s', async (_, [status, headers, message, retryAt]) => {
    const error = await failureOf(judge(status, headers))
    expect(error).toMatchObject({ code: 'rate-limited', side: 'source', message })
    expect(error.retryAt).toBe(retryAt)
    expect(error.hint).toContain('what was fetched is kept')
    expect(error.hint).toContain('docker login docker.io')
  })

  test('but not where something is left, or nothing is said', async () => {
    expect((await judge(429, { 'ratelimit-remaining': '3;w=1' }))?.failed.code).toBe('rate-limited')
    expect((await judge(429))?.failed.message).toBe(
      'docker.io limits how much may be fetched: it does not say when that resets',
    )
  })
})
