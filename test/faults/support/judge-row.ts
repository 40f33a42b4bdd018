import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { ErrorCode, RegistrishError } from '../../../src/errors.ts'
import type { FetchReport } from '../../../src/fetch/fetch.ts'
import type { FetchOptions } from '../../../src/fetch/options.ts'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { verifyTree } from '../../../src/tree/verify.ts'
import { expectedFiles, publicFiles } from '../../copy/copy-support.ts'
import { fetchAll, fetchError } from '../../fetch/fetch-support.ts'
import type { Graph } from '../../support/made-images.ts'
import type { Hook, TestRegistryOptions } from '../../support/test-registry.ts'
import { patience } from './patience.ts'
import { publishedTree } from './published-tree.ts'
import { startWorld, type World } from './upstream-world.ts'

/** One way in which an upstream misbehaves, and what has to come of it. */
export interface Row {
  /** How it misbehaves. Default: it does not, but for the image itself. */
  readonly fault?: (world: World) => Hook | Promise<Hook>
  /** What the tag stands for while it does. Default: the good image. */
  readonly image?: (world: World) => Graph
  /** The fetch ends with this error; without it, it has to succeed. */
  readonly refused?: Refusal
  /** Looks at what was asked for and told. */
  readonly check?: (world: World, outcome: Outcome) => void | Promise<void>
  /** Looks at what the same fetch asked for once the upstream was mended; the log begins with it. */
  readonly mended?: (world: World) => void
  readonly options?: (world: World) => FetchOptions
  /** How long silence is borne, in ms. */
  readonly stall?: number
  /** How the upstream is started. */
  readonly upstream?: TestRegistryOptions
}

/** An error of the source's side. */
export interface Refusal {
  readonly code: ErrorCode
  /** The way out that fits. */
  readonly hint: RegExp
  readonly message?: RegExp
}

/** What came of it, while the upstream misbehaved. */
interface Outcome {
  readonly report?: FetchReport
  readonly error?: RegistrishError
}

/** Rows by the name of the fault. */
export type Rows = Readonly<Record<string, Row>>

/**
 * Fetches an image over an older one of the same tag while the upstream misbehaves. A refusal leaves the tree byte for byte as it was, and the same fetch
 * succeeds once the upstream is mended; a success is complete. The tree verifies clean in any case.
 */
export async function judgeRow(row: Row): Promise<void> {
  const world = await startWorld(row.upstream)
  const before = await prepare(world, row)
  if (row.refused === undefined) {
    const report = await fetchAll(nameIn(world), [], optionsFor(world, row))
    await expectComplete(world)
    await row.check?.(world, { report })
    return
  }
  const error = await fetchError(nameIn(world), [], optionsFor(world, row))
  expectRefusal(error, row.refused)
  expect(await publishedTree(world.root)).toEqual(before)
  await expectClean(world.root)
  await row.check?.(world, { error })
  await expectMended(world, row)
}

async function expectMended(world: World, row: Row): Promise<void> {
  world.mend()
  world.upstream.put('app', 'latest', world.good)
  world.upstream.forget()
  patience.stall = 60_000
  await fetchAll(nameIn(world), [], optionsFor(world, row))
  await expectComplete(world)
  row.mended?.(world)
}

/** The tree with the older image; from then on the upstream misbehaves. */
async function prepare(world: World, row: Row): Promise<Readonly<Record<string, string>>> {
  const { upstream, root } = world
  await fetchAll(nameIn(world), [], optionsFor(world, row))
  await expectClean(root)
  const fault = await row.fault?.(world)
  upstream.put('app', 'latest', row.image?.(world) ?? world.good)
  upstream.forget()
  world.events.length = 0
  if (fault !== undefined) world.misbehave(fault)
  if (row.stall !== undefined) patience.stall = row.stall
  onTestFinished(() => {
    patience.stall = 60_000
  })
  return publishedTree(root)
}

function nameIn({ upstream }: World): string {
  return `${upstream.host}/app:latest`
}

/** As many tries as users get; credentials only where a row gives some. */
function optionsFor(world: World, { options }: Row): FetchOptions {
  const { root, events } = world
  return { root, retryTimes: 3, onProgress: event => void events.push(event), ...options?.(world) }
}

function expectRefusal(error: RegistrishError, { code, hint, message }: Refusal): void {
  expect(error.code, error.message).toBe(code)
  expect(error.side, error.message).toBe('source')
  expect(error.hint, error.message).toMatch(hint)
  expect(error.message).toMatch(/^[^\n]+$/)
  expect(`${error.stack} ${error.hint}`).not.toContain('secret')
  if (message !== undefined) expect(error.message).toMatch(message)
}

/** The tag stands for the new image, all of it is there, and what was there before is still there. */
async function expectComplete({ root, good, old }: World): Promise<void> {
  const files = [...(await publicFiles(root))].filter(([path]) => /\/(?:manifests|blobs)\//.test(path))
  const wanted = [...expectedFiles('app', [old]), ...expectedFiles('app', [good, 'latest'])]
  expect(new Map(files)).toEqual(new Map(wanted))
  await expectClean(root)
  for (const name of ['incoming', 'partial', 'verified']) {
    expect(await readdir(join(root, '.registrish', name)).catch(() => []), name).toEqual([])
  }
}

async function expectClean(root: string): Promise<void> {
  const { problems, notes, absentChildren } = await verifyTree(openTree(root))
  expect({ problems, notes, absentChildren }).toEqual({ problems: [], notes: [], absentChildren: 0 })
}
