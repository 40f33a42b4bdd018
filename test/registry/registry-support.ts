import { onTestFinished } from 'vitest'
import { isRegistrishError, type RegistrishError } from '../../src/errors.ts'
import type { Content, Source } from '../../src/oci/source.ts'
import type { ProgressEvent } from '../../src/progress.ts'
import { createRegistrySource, type RegistrySourceOptions } from '../../src/registry/registry-source.ts'
import type { Graph } from '../support/made-images.ts'
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '../support/test-registry.ts'

/** A registry, a source that reads it, and what happened in between. */
export interface Opened {
  readonly registry: TestRegistry
  readonly source: Source
  readonly events: readonly ProgressEvent[]
  /** The pauses between tries, in ms; none of them was waited for. */
  readonly pauses: readonly number[]
}

/** Starts a registry that lives as long as the test. */
export async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = await startTestRegistry(options)
  onTestFinished(() => registry.close())
  return registry
}

/** Opens a source that knows nothing of this machine's environment and waits for no clock. */
export function openSource(options: RegistrySourceOptions): Omit<Opened, 'registry'> {
  const events: ProgressEvent[] = []
  const pauses: number[] = []
  const source = createRegistrySource({
    env: {},
    home: '/nowhere',
    onProgress: event => void events.push(event),
    async sleep(ms) {
      pauses.push(ms)
    },
    ...options,
  })
  onTestFinished(() => source.close?.())
  return { source, events, pauses }
}

/** Starts a registry whose repository `app` holds these images by tag, and opens a source on it. */
export async function openRegistry(
  images: Readonly<Record<string, Graph>>,
  {
    registry: options = {},
    source = {},
  }: { readonly registry?: TestRegistryOptions; readonly source?: Partial<RegistrySourceOptions> } = {},
): Promise<Opened> {
  const registry = await startRegistry({ repositories: { app: images }, ...options })
  return { registry, ...openSource({ registry: registry.host, ...source }) }
}

/** Reads a body to its end. */
export async function read({ body }: Content): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** What a promise is rejected with, which has to be an error of ours of the source's side. */
export async function failureOf(promise: Promise<unknown>): Promise<RegistrishError> {
  const error: unknown = await promise.then(
    () => new Error('nothing was thrown'),
    (cause: unknown) => cause,
  )
  if (!isRegistrishError(error)) throw error
  return error
}
