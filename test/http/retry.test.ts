import { describe, expect, test, vi } from 'vitest'
import { RegistrishError } from '../../src/errors.ts'
import { createRetry, type RetryOptions } from '../../src/http/retry.ts'
import type { ProgressEvent } from '../../src/progress.ts'
import { failureOf } from '../registry/registry-support.ts'

/** Runs something that fails in these ways, one after the other, and then succeeds. */
async function run(
  failures: readonly (() => never | { readonly failed: RegistrishError; readonly delay?: number })[],
  options: RetryOptions & { readonly onlyAnswers?: boolean } = {},
): Promise<{
  readonly outcome: Promise<string>
  readonly pauses: number[]
  readonly events: ProgressEvent[]
  tries(): number
}> {
  const pauses: number[] = []
  const events: ProgressEvent[] = []
  let tries = 0
  const retry = createRetry({
    random: () => 0,
    async sleep(ms) {
      pauses.push(ms)
    },
    onProgress: event => void events.push(event),
    ...options,
  })
  const outcome = retry.run<string>({
    what: 'it',
    onlyAnswers: options.onlyAnswers ?? false,
    async attempt() {
      const failure = failures[tries]
      tries += 1
      return failure === undefined ? { value: 'done' } : failure()
    },
  })
  await outcome.catch(() => {})
  return { outcome, pauses, events, tries: () => tries }
}

const busy = (delay?: number) => () => ({
  failed: new RegistrishError('unreachable', 'busy', { side: 'source' }),
  ...(delay === undefined ? {} : { delay }),
})

function broken(code: string): () => never {
  return () => {
    throw new RegistrishError('unreachable', 'broken', {
      side: 'source',
      cause: Object.assign(new Error(code), { code }),
    })
  }
}

describe('what fails is tried again', () => {
  test('after pauses that double, each told', async () => {
    const { outcome, pauses, events } = await run([busy(), broken('ECONNRESET'), busy()])
    expect(await outcome).toBe('done')
    expect(pauses).toEqual([1000, 2000, 4000])
    expect(events).toEqual(
      [1000, 2000, 4000].map((delay, position) => ({
        type: 'retry',
        what: 'it',
        reason: position === 1 ? 'broken' : 'busy',
        delay,
      })),
    )
  })

  test('after pauses that are shorter by chance, by half at most', async () => {
    expect((await run([busy(), busy()], { random: () => 0.5 })).pauses).toEqual([750, 1500])
  })

  test('after the pause that the host asks for, none included', async () => {
    expect((await run([busy(7000), busy(0)])).pauses).toEqual([7000, 0])
  })

  test('as often as told, then its failure stands', async () => {
    for (const [times, wanted] of [
      [undefined, 4],
      [1, 2],
      [0, 1],
    ] as const) {
      const { outcome, tries } = await run(Array(10).fill(busy()), times === undefined ? {} : { times })
      expect(await failureOf(outcome)).toMatchObject({ message: 'busy' })
      expect(tries()).toBe(wanted)
    }
  })

  test('once only after all tries failed, until the host answers well again', async () => {
    const retry = createRetry({ times: 2, sleep: async () => {} })
    let isBusy = true
    let tries = 0
    const attempt = async (): Promise<{ readonly value: string } | ReturnType<ReturnType<typeof busy>>> => {
      tries += 1
      return isBusy ? busy()() : { value: 'done' }
    }
    const ask = async (): Promise<number> => {
      tries = 0
      await retry.run({ what: 'it', attempt }).catch(() => {})
      return tries
    }
    expect([await ask(), await ask(), await ask()]).toEqual([3, 1, 1])
    isBusy = false
    expect(await ask()).toBe(1)
    isBusy = true
    expect(await ask()).toBe(3)
  })

  test('once only for what failed through all tries, also where the host answers well to all else', async () => {
    const retry = createRetry({ times: 2, sleep: async () => {} })
    let tries = 0
    const ask = async (what: string, isBusy: boolean): Promise<number> => {
      tries = 0
      const attempt = async (): Promise<{ readonly value: string } | ReturnType<ReturnType<typeof busy>>> => {
        tries += 1
        return isBusy ? busy()() : { value: 'done' }
      }
      await retry.run({ what, attempt }).catch(() => {})
      return tries
    }
    expect(await ask('one', true)).toBe(3)
    expect(await ask('other', false)).toBe(1)
    expect(await ask('one', true)).toBe(1)
    expect(await ask('other', false)).toBe(1)
    expect(await ask('other', true)).toBe(3)
    expect(await ask('one', false)).toBe(1)
    expect(await ask('one', true)).toBe(3)
  })

  test('as often as told where another request was given up meanwhile', async () => {
    const pauses: (() => void)[] = []
    const retry = createRetry({ times: 2, sleep: () => new Promise<void>(resolve => void pauses.push(resolve)) })
    const pause = async (number: number): Promise<void> => {
      await vi.waitFor(() => expect(pauses.length).toBeGreaterThan(number))
      pauses[number]?.()
    }
    let tries = 0
    const slow = retry.run({ what: 'one', attempt: async () => (++tries < 3 ? busy()() : { value: 'done' }) })
    await vi.waitFor(() => expect(pauses).toHaveLength(1))
    const other = retry.run({ what: 'other', attempt: async () => busy()() }).catch(() => 'failed')
    await pause(1)
    await pause(2)
    expect(await other).toBe('failed')
    await pause(0)
    await Promise.race([slow, pause(3)])
    expect(await slow).toBe('done')
  })

  test('with pauses of 30 s at most', async () => {
    const { pauses } = await run(Array(9).fill(busy()), { times: 9 })
    expect(Math.max(...pauses)).toBe(30_000)
  })
})

describe('what another try will not mend is final', () => {
  test.each(['ENOTFOUND', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_HAS_EXPIRED', 'ERR_SSL_WRONG_VERSION_NUMBER'])(
    'the failure %s',
    async code => {
      const { outcome, tries } = await run([broken(code)])
      expect(await failureOf(outcome)).toMatchObject({ code: 'unreachable' })
      expect(tries()).toBe(1)
    },
  )

  test('every other code of ours', async () => {
    const { outcome, tries } = await run([
      () => {
        throw new RegistrishError('digest-mismatch', 'wrong', { side: 'source' })
      },
    ])
    expect(await failureOf(outcome)).toMatchObject({ code: 'digest-mismatch' })
    expect(tries()).toBe(1)
  })

  test('a refused connection to a host that never answered; after an answer it is a restart', async () => {
    expect((await run([broken('ECONNREFUSED')])).tries()).toBe(1)
    const { outcome, tries } = await run([busy(), broken('ECONNREFUSED')])
    expect(await outcome).toBe('done')
    expect(tries()).toBe(3)
  })

  test('a broken connection where the caller knows how to go on', async () => {
    expect((await run([broken('ECONNRESET')], { onlyAnswers: true })).tries()).toBe(1)
    expect((await run([busy()], { onlyAnswers: true })).tries()).toBe(2)
  })

  test('a programming error, as it is', async () => {
    const { outcome } = await run([
      () => {
        throw new TypeError('oops')
      },
    ])
    await expect(outcome).rejects.toBeInstanceOf(TypeError)
  })
})

test('a pause ends when the caller gives up', async () => {
  const controller = new AbortController()
  const retry = createRetry({ onProgress: () => controller.abort() })
  const outcome = retry.run({ what: 'it', attempt: async () => busy(60_000)(), signal: controller.signal })
  expect(await failureOf(outcome)).toMatchObject({ code: 'aborted' })
})
