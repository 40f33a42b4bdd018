import { describe, inject, it } from 'vitest'
import { connectEngine, type Engine } from './engine.ts'
import type { Images } from './images.ts'
import { e2eMode, type Provided, type Unavailable } from './provided.ts'
import { type Condition, missing, type Tool } from './tools.ts'
import { connectUpstream, type Upstream } from './upstream.ts'

/**
 * What a suite may need: tools by their command names, a {@link Condition} of the machine, the shared `engine` ({@link sharedEngine}) and the shared
 * `registries` ({@link sharedRegistries}).
 */
export type Need = Tool | Condition | 'engine' | 'registries'

/**
 * Like `describe`, for tests that need things which not every machine has. Where one is missing the suite becomes one
 * skipped test whose name is the reason, which is also printed to stderr; with `REGISTRISH_E2E=required` that test fails.
 *
 *     describeWith(['engine', 'registries', 'nginx'], 'nginx', () => { … })
 */
export function describeWith(needs: readonly Need[], name: string, suite: () => void): void {
  const unavailable = whyNot(needs)
  if (unavailable === undefined) {
    describe(name, suite)
    return
  }
  const { reason, detail } = unavailable
  if (e2eMode() === 'required') {
    describe(name, () => {
      it(`can run: ${reason}`, () => {
        throw new Error([reason, detail].join('\n'))
      })
    })
    return
  }
  // vitest's default reporter does not print the names of skipped tests.
  process.stderr.write(`skipped: ${name}: ${[reason, detail].filter(part => part !== '').join(': ')}\n`)
  describe(name, () => {
    it.skip(`skipped: ${reason}`, () => undefined)
  })
}

/** The engine that all test files share; an Error in suites that do not name `engine` among their needs and run without. */
export function sharedEngine(): Engine {
  return connectEngine(unwrap(inject('e2e').engine))
}

/** The shared registries, filled, read-only, and what is in them. */
export interface SharedRegistries {
  /** Asks for no credentials. */
  readonly plain: Upstream
  /** Asks for `testUser`'s name and password, for everything. */
  readonly basic: Upstream
  /** Asks for a token; the anonymous get one for everything but `private/…`. */
  readonly token: Upstream
  /** The folder that all three serve, for `startUpstream({ data })`. */
  readonly dataFolder: string
  readonly images: Images
}

/** The registries that all test files share; an Error in suites that do not name `registries` among their needs and run without. */
export function sharedRegistries(): SharedRegistries {
  const { plain, basic, token, dataFolder, images } = unwrap(inject('e2e').registries)
  return {
    plain: connectUpstream(plain),
    basic: connectUpstream(basic),
    token: connectUpstream(token),
    dataFolder,
    images,
  }
}

/** Why a suite with these needs cannot run here; undefined where it can. */
function whyNot(needs: readonly Need[]): Unavailable | undefined {
  if (e2eMode() === 'off') return { reason: 'REGISTRISH_E2E=off', detail: '' }
  const reason = missing(needs.filter(need => need !== 'engine' && need !== 'registries'))
  if (reason !== undefined) return { reason, detail: '' }
  const provided = inject('e2e')
  const shared = needs.filter(need => need === 'engine' || need === 'registries').map(need => provided[need])
  return shared.find(value => 'reason' in value)
}

function unwrap<T>(provided: Provided<T>): T {
  if ('reason' in provided) throw new Error(provided.reason)
  return provided.value
}
