import type * as timers from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type * as client from '../../src/http/client.ts'
import { describeWithProgram } from '../support/optional-program.ts'
import { redirects } from '../support/registry-faults.ts'
import { makeCertificate } from './support/certificate.ts'
import { judgeRow, type Rows } from './support/judge-row.ts'
import { BODY_ROWS, DIGEST_HEADER_ROWS, ENCODING_ROWS } from './support/rows-bytes.ts'
import { BREAK_ROWS, BUSY_ROWS, RANGE_ROWS, SILENCE_ROWS } from './support/rows-connection.ts'
import { LOGIN_ROWS } from './support/rows-login.ts'
import { MANIFEST_ROWS } from './support/rows-manifests.ts'
import { REDIRECT_ROWS } from './support/rows-redirects.ts'
import { ofBig } from './support/upstream-faults.ts'

/* An upstream that misbehaves, over real HTTP: each row is a fault by its name, see judge-row.ts for what is expected of all of them. */

/** Pauses pass at once. */
vi.mock('node:timers/promises', async original => ({
  ...(await original<typeof timers>()),
  setTimeout: async (_delay: number, value: unknown, options: { readonly signal?: AbortSignal } = {}) => {
    await new Promise(setImmediate)
    options.signal?.throwIfAborted()
    return value
  },
}))

/** The client is the real one; only how long it bears silence is for the row to say. */
vi.mock('../../src/http/client.ts', async original => {
  const { createHttpClient } = await original<typeof client>()
  const { patience } = await import('./support/patience.ts')
  const create: typeof createHttpClient = options => createHttpClient({ ...options, stallTimeout: patience.stall })
  return { createHttpClient: create }
})

const TABLE: Readonly<Record<string, Rows>> = {
  'the body': BODY_ROWS,
  'the digest header': DIGEST_HEADER_ROWS,
  'encodings and pages': ENCODING_ROWS,
  'the manifest': MANIFEST_ROWS,
  redirects: REDIRECT_ROWS,
  'the login': LOGIN_ROWS,
  'busy hosts': BUSY_ROWS,
  'silent hosts': SILENCE_ROWS,
  'broken connections': BREAK_ROWS,
  ranges: RANGE_ROWS,
}

describe.each(Object.entries(TABLE))('%s', (_, rows) => {
  test.each(Object.entries(rows))('%s', async (_name, row) => {
    await judgeRow(row)
  })
})

describeWithProgram('openssl', ['version'], 'redirects from HTTPS', () => {
  test('redirect from https to http: a blob', async () => {
    const { caFile, tls } = await makeCertificate()
    await judgeRow({
      upstream: { tls },
      options: () => ({ caFile }),
      fault: world =>
        ofBig(
          world,
          redirects(({ path }) => `${world.store.url}${path}`),
        ),
      refused: { code: 'bad-answer', hint: /--plain-http/, message: /redirects to 127\.0\.0\.1:\d+ in plain HTTP/ },
      check: ({ store }) => expect(store.log).toEqual([]),
    })
  })
})
