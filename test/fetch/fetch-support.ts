import { onTestFinished } from 'vitest'
import { isRegistrishError, type RegistrishError } from '../../src/errors.ts'
import { type FetchReport, fetchImages } from '../../src/fetch/fetch.ts'
import type { FetchOptions } from '../../src/fetch/options.ts'
import type { Graph } from '../support/made-images.ts'
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '../support/test-registry.ts'

/** Starts a registry that holds these repositories, until the end of the test. */
export async function startRegistry(
  repositories: Readonly<Record<string, Readonly<Record<string, Graph>>>>,
  options: TestRegistryOptions = {},
): Promise<TestRegistry> {
  const registry = await startTestRegistry({ ...options, repositories })
  onTestFinished(() => registry.close())
  return registry
}

/** Fetches and throws the first error that any image met. */
export async function fetchAll(image: string, tags: readonly string[], options: FetchOptions): Promise<FetchReport> {
  const report = await fetchImages(image, tags, { retryTimes: 0, ...options })
  for (const { error } of report.results) if (error !== undefined) throw error
  return report
}

/** The error of ours that a fetch ends with, thrown or of an image. */
export async function fetchError(
  image: string,
  tags: readonly string[],
  options: FetchOptions,
): Promise<RegistrishError> {
  const reason: unknown = await fetchAll(image, tags, options).then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  if (isRegistrishError(reason)) return reason
  throw reason
}
