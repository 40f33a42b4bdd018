import type { EngineAddress } from './engine.ts'
import type { Images } from './images.ts'
import type { UpstreamAddress } from './upstream.ts'

/** Something that the global set-up could make, or why it could not. */
export type Provided<T> = { readonly value: T } | Unavailable

/** Why something is not to be had. */
export interface Unavailable {
  /** One sentence without the machine's paths, fit for a test's name. */
  readonly reason: string
  /** What was printed by what failed; empty where the reason says all. */
  readonly detail: string
}

/** The registries that every test file shares. All serve the same images, read-only. */
export interface RegistriesAddress {
  /** Asks for no credentials. */
  readonly plain: UpstreamAddress
  /** Asks for `testUser`'s name and password, for everything. */
  readonly basic: UpstreamAddress
  /** Asks for a token; the anonymous get one for everything but `private/…`. */
  readonly token: UpstreamAddress
  /** The folder that all three serve, for `startUpstream({ data })`. */
  readonly dataFolder: string
  readonly images: Images
}

/** What the global set-up hands to the test files. */
export interface ProvidedEnvironment {
  readonly engine: Provided<EngineAddress>
  readonly registries: Provided<RegistriesAddress>
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly e2e: ProvidedEnvironment
  }
}

/**
 * What `REGISTRISH_E2E` asks for: `required` (as in CI: what cannot run is a failure), `off` (nothing is started, all is
 * skipped), or nothing (what cannot run is skipped, with the reason).
 */
export function e2eMode(): 'required' | 'off' | 'if possible' {
  const mode = process.env['REGISTRISH_E2E'] ?? ''
  if (mode === '') return 'if possible'
  if (mode === 'required' || mode === 'off') return mode
  throw new Error(`REGISTRISH_E2E is "required", "off" or not set, not "${mode}"`)
}
