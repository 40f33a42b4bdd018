import { expect } from 'vitest'
import {
  breaksAfter,
  fails,
  first,
  hangsUp,
  ignoresRange,
  neverAnswers,
  only,
  sendsHeaders,
} from '../../support/registry-faults.ts'
import type { Hook } from '../../support/test-registry.ts'
import type { Refusal, Row, Rows } from './judge-row.ts'
import { breaksAtByte, bytesOfGood, fifth, ofBig, ofHead, ofManifest, startsOfBig } from './upstream-faults.ts'
import { SIZE, type World } from './upstream-world.ts'

const LATER = /run the same command again later: what was fetched is kept/
const LIMITED = /run the same command again then: what was fetched is kept/
const AGAIN = /run the same command again: what was downloaded is kept and resumed/
const outOfOrder: Refusal = { code: 'unreachable', hint: LATER, message: /503 Service Unavailable/ }
const silent: Refusal = { code: 'timeout', hint: AGAIN }

/** The pauses that were told of, in ms. */
const pauses = ({ events }: World): readonly number[] =>
  events.flatMap(event => (event.type === 'retry' ? [event.delay] : []))

const bigRequests = (world: World): number => startsOfBig(world).length

/** The upstream is busy, or says so. */
export const BUSY_ROWS: Rows = {
  '429 with Retry-After, once': {
    fault: () => ofHead(first(1, fails(429, { 'retry-after': '7' }))),
    check: world => expect(pauses(world)).toEqual([7000]),
  },
  '429 with Retry-After of an hour': {
    fault: () => ofHead(fails(429, { 'retry-after': '3600' })),
    refused: { code: 'rate-limited', hint: LIMITED, message: /it resets at .* UTC, in 1 h$/ },
    check: ({ upstream }, { error }) => {
      expect(upstream.log).toHaveLength(1)
      expect(error?.retryAt).toBeGreaterThan(0)
    },
  },
  '429 with Retry-After of an hour, for a blob': {
    fault: world => ofBig(world, fails(429, { 'retry-after': '3600' })),
    refused: { code: 'rate-limited', hint: LIMITED },
    check: world => expect(bigRequests(world)).toBe(1),
  },
  '429 without Retry-After, twice': { fault: () => first(2, fails(429)) },
  '429 without Retry-After, each time': {
    fault: () => fails(429),
    refused: { code: 'rate-limited', hint: LIMITED, message: /does not say when that resets/ },
    check: ({ upstream }) => expect(upstream.log).toHaveLength(4),
  },
  '503, once for everything': { fault: () => first(1, fails(503)) },
  '503, twice for a blob': {
    fault: world => ofBig(world, first(2, fails(503))),
    check: world => expect(startsOfBig(world)).toEqual([0, 0, 0]),
  },
  '503 in the middle of a blob, once': {
    fault: world =>
      ofBig(world, async (request, next) => {
        if (request.earlier === 1) return fails(503)(request, next)
        return breaksAtByte(request.earlier === 0 ? fifth(2) : SIZE, 'ends')(request, next)
      }),
    check: world => expect(startsOfBig(world)).toEqual([0, fifth(2), fifth(2)]),
  },
  '503, each time': {
    fault: () => fails(503),
    refused: outOfOrder,
    check: ({ upstream }) => expect(upstream.log).toHaveLength(4),
  },
  '503, each time for a blob': {
    fault: world => ofBig(world, fails(503)),
    refused: outOfOrder,
    check: world => expect(bigRequests(world)).toBe(7),
  },
  '503 with Retry-After of an hour': {
    fault: () => ofHead(fails(503, { 'retry-after': '3600' })),
    refused: { code: 'rate-limited', hint: LIMITED },
  },
}

/** The upstream falls silent, or hangs up. */
export const SILENCE_ROWS: Rows = {
  'stall: no answer, once': { fault: () => ofHead(first(1, neverAnswers)), stall: 800 },
  'stall: no answer, each time': {
    fault: () => ofHead(neverAnswers),
    stall: 200,
    options: () => ({ retryTimes: 1 }),
    refused: { ...silent, message: /did not answer for 0\.2 s/ },
  },
  'stall: in the middle of a blob, once': {
    fault: world => ofBig(world, first(1, breaksAtByte(fifth(2), 'stalls'))),
    stall: 800,
    check: world => expect(startsOfBig(world)).toEqual([0, fifth(2)]),
  },
  'stall: in the middle of a blob, each time': {
    fault: world => ofBig(world, breaksAtByte(fifth(2), 'stalls')),
    stall: 200,
    options: () => ({ retryTimes: 1 }),
    refused: { ...silent, message: /stalled: it sent nothing for 0\.2 s/ },
    mended: world => expect(startsOfBig(world)).toEqual([fifth(2)]),
  },
  'stall: in the middle of a manifest, each time': {
    fault: ({ child }) => ofManifest(child.root.digest, breaksAfter(9, 'stalls')),
    stall: 200,
    options: () => ({ retryTimes: 1 }),
    refused: silent,
  },
  'hangs up without an answer, once for everything': { fault: () => first(1, hangsUp) },
  'hangs up without an answer, each time': {
    fault: () => hangsUp,
    refused: { code: 'unreachable', hint: AGAIN },
  },
}

/** A connection that breaks once at a position: the rest is asked for, from what has come; no byte is counted twice. */
function breaksOnce(part: number, how: 'ends' | 'resets'): Row {
  const position = fifth(part)
  return {
    fault: world => ofBig(world, first(1, breaksAfter(position, how))),
    check(world, { report }) {
      const starts = startsOfBig(world)
      expect(report?.totals.bytesFetched).toBe(bytesOfGood(world))
      // A reset may overtake what was sent before it; an end may not.
      if (how === 'ends') expect(starts).toEqual(part === 5 ? [0] : [0, position])
      expect(starts[0]).toBe(0)
      expect(starts.length).toBeLessThanOrEqual(2)
      for (const start of starts) expect(start).toBeLessThanOrEqual(position)
    },
  }
}

/** A connection that breaks after each fifth: five requests, each for the rest. */
function breaksAtEach(how: 'ends' | 'resets'): Row {
  const pieces: Hook = breaksAfter(SIZE / 5, how)
  return {
    fault: world => ofBig(world, pieces),
    check(world, { report }) {
      const starts = startsOfBig(world)
      expect(report?.totals.bytesFetched).toBe(bytesOfGood(world))
      if (how === 'ends') expect(starts).toEqual([0, 1, 2, 3, 4].map(fifth))
      expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b))
    },
  }
}

const BREAKS = [
  ['resets', 'connection reset'],
  ['ends', 'connection ended'],
] as const

/** The connection breaks at every fifth of a blob. */
export const BREAK_ROWS: Rows = Object.fromEntries(
  BREAKS.flatMap(([how, name]) => [
    ...[0, 1, 2, 3, 4, 5].map(part => [`${name} at ${part}/5 of a blob`, breaksOnce(part, how)] as const),
    [`${name} after each fifth of a blob`, breaksAtEach(how)] as const,
  ]),
)

/** Breaks a blob once at its second fifth; what is asked for then, by a range, meets the fault. */
function whenResumed(fault: Hook): (world: World) => Hook {
  return world =>
    ofBig(world, (request, next) =>
      request.earlier === 0 ? breaksAtByte(fifth(2), 'ends')(request, next) : fault(request, next),
    )
}

const RANGE_HINT: Refusal = { code: 'bad-answer', hint: /asked for the whole/, message: /sends only a part/ }

/** Ranges that are not those asked for. */
export const RANGE_ROWS: Rows = {
  'Range ignored on resume': {
    fault: whenResumed(ignoresRange),
    check: world => expect(startsOfBig(world)).toEqual([0, fifth(2)]),
  },
  'Range refused on resume (416)': {
    fault: whenResumed((request, next) =>
      request.headers['range'] === undefined ? next(request) : fails(416)(request, next),
    ),
    check: world => expect(startsOfBig(world)).toEqual([0, fifth(2), 0]),
  },
  'Range of another place on resume': {
    fault: whenResumed((request, next) =>
      request.headers['range'] === undefined
        ? next(request)
        : sendsHeaders({ 'content-range': `bytes 7-${SIZE - 1}/${SIZE}` })(request, next),
    ),
    check: world => expect(startsOfBig(world)).toEqual([0, fifth(2), 0]),
  },
  'Range of a blob of another size on resume': {
    fault: whenResumed(sendsHeaders({ 'content-range': `bytes ${fifth(2)}-${SIZE}/${SIZE + 1}` })),
    refused: { code: 'size-mismatch', hint: /damaged/ },
  },
  '206 for a blob, when not asked': {
    fault: world => ofBig(world, async (request, next) => ({ ...(await next(request)), status: 206 })),
    refused: RANGE_HINT,
  },
  '206 for the first half of a blob, when not asked': {
    fault: world =>
      ofBig(world, async (request, next) => {
        const { headers, body } = await next(request)
        const range = `bytes 0-${SIZE / 2 - 1}/${SIZE}`
        return { status: 206, headers: { ...headers, 'content-range': range }, body: body.subarray(0, SIZE / 2) }
      }),
    refused: RANGE_HINT,
  },
  '206 for a manifest, when not asked': {
    fault: () => only(/^GET .*\/manifests\//, async (request, next) => ({ ...(await next(request)), status: 206 })),
    refused: { code: 'bad-answer', hint: /is it a registry/, message: /206 Partial Content/ },
  },
}
