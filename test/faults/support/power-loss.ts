import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { verifyTree } from '../../../src/tree/verify.ts'
import type { ContentLoss, NameLoss } from './disk-loss.ts'
import { createDisk, type Disk } from './disk-model.ts'
import type { State } from './disk-nodes.ts'
import { formatOperation, type Operation } from './operations.ts'
import { createRandom } from './random.ts'
import { realFs, record, withoutFlushes } from './recorder.ts'
import { compareStates, keyOf, readState, select, writeState } from './states.ts'

/** Something that a command does to a tree. */
export interface Story {
  /** Makes what is there before; it counts as flushed. */
  readonly prepare?: (root: string) => Promise<unknown>
  readonly run: (root: string) => Promise<unknown>
  /** The same command after a loss. Default: `run`. */
  readonly again?: (root: string) => Promise<unknown>
  /** What is wrong with what is left, as lines. Default: what verify says of the tree, absent platforms included. */
  readonly judge?: (left: Left) => Promise<readonly string[]>
  /** The paths that have to be as after an undisturbed run once the command was run again. Default: those of v2/. */
  readonly compared?: (path: string) => boolean
  /** How many of the states are taken on by running the command again. Default 25. */
  readonly reruns?: number
  /** Decides how the work is interleaved. */
  readonly seed?: number
}

/** What a loss left, on disk, and what was there before and after the undisturbed run. */
export interface Left {
  readonly root: string
  readonly state: State
  readonly before: State
  readonly after: State
}

/** How much was tried. */
export interface Tried {
  readonly cuts: number
  readonly states: number
  readonly judged: number
  readonly rerun: number
}

/** A killed process, and losses of power, weakest first. */
const LOSSES: readonly (readonly [NameLoss, ContentLoss])[] = [
  ['none', 'nothing'],
  ['none', 'half'],
  ['none', 'zeros'],
  ['none', 'everything'],
  ['all', 'nothing'],
  ['all', 'half'],
  ['all', 'zeros'],
  ['last', 'nothing'],
  ['last', 'zeros'],
  ['last', 'everything'],
  ['all but the last', 'zeros'],
  ['all but the last', 'everything'],
  ...Array.from({ length: 4 }, () => ['some', 'mixed'] as const),
  ...Array.from({ length: 4 }, () => ['some', 'everything'] as const),
]

/** A state that some cut may leave, and one of the ways to it. */
interface Found {
  readonly state: State
  readonly cut: number
  readonly how: string
}

/**
 * Records a story, cuts it after each of its operations in every way that a kill or a loss of power can, and expects of all that may be left that it is
 * right, and of some that running the command again ends where the undisturbed run did.
 */
export async function expectSafe(story: Story): Promise<Tried> {
  const folder = makeFolderInMemory()
  const trial = await recordStory(story, join(folder, 'tree'))
  const judged = await judgeAll(trial, story.judge ?? verifyLeft)
  const rerun = await runSomeAgain(trial, story)
  judgeEnd(trial)
  const { failures, found, operations } = trial
  if (failures.length > 0) throw new Error([`of ${found.length} states`, ...failures].join('\n'))
  return { cuts: operations.length + 1, states: found.length, judged, rerun }
}

/** A story that was recorded, and what it may leave. */
interface Trial {
  readonly root: string
  readonly before: State
  readonly after: State
  readonly operations: readonly Operation[]
  readonly found: readonly Found[]
  readonly failures: string[]
}

async function recordStory(story: Story, root: string): Promise<Trial> {
  withoutFlushes()
  realFs.mkdirSync(root)
  await story.prepare?.(root)
  const before = readState(root)
  const { operations, unknown } = await record(root, () => story.run(root), story.seed)
  expect([...unknown], 'functions that the recorder does not know').toEqual([])
  const after = readState(root)
  expect(compareStates(applied(before, operations).current(), after), 'what was done beside the recorder').toEqual([])
  return { root, before, after, operations, found: findStates(before, operations, story.seed), failures: [] }
}

/** More failures would say no more. */
const MOST_FAILURES = 5

function fail({ failures, operations }: Trial, { cut, how }: Found, problems: readonly string[]): void {
  if (problems.length === 0) return
  const near = operations.slice(Math.max(0, cut - 3), cut).map(formatOperation)
  failures.push([`${how} after ${cut} of ${operations.length} (${near.join('; ')})`, ...problems].join('\n    '))
}

async function judgeAll(trial: Trial, judge: NonNullable<Story['judge']>): Promise<number> {
  const { before, after } = trial
  const visible = new Map(trial.found.map(entry => [keyOf(select(entry.state, isVisible)), entry]))
  let judged = 0
  for (const entry of visible.values()) {
    if (trial.failures.length > MOST_FAILURES) break
    const root = `${trial.root}-${judged++}`
    writeState(root, select(entry.state, isVisible))
    fail(trial, entry, await judge({ root, state: entry.state, before, after }))
    realFs.rmSync(root, { recursive: true })
  }
  return judged
}

async function runSomeAgain(trial: Trial, story: Story): Promise<number> {
  const expected = select(trial.after, story.compared ?? isPublic)
  let rerun = 0
  for (const entry of pick(trial.found, story.reruns ?? 25)) {
    if (trial.failures.length > MOST_FAILURES) break
    const root = `${trial.root}-again-${rerun++}`
    writeState(root, entry.state)
    fail(trial, entry, await runAgain(story, root, expected))
    realFs.rmSync(root, { recursive: true })
  }
  return rerun
}

/** Thousands of trees are made: in memory, where the system has such a folder, that takes a quarter of the time. */
function makeFolderInMemory(): string {
  const above = realFs.existsSync('/dev/shm') ? '/dev/shm' : realFs.realpathSync(tmpdir())
  const folder = realFs.mkdtempSync(join(above, 'registrish-test-'))
  onTestFinished(() => realFs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function runAgain(story: Story, root: string, expected: State): Promise<readonly string[]> {
  try {
    await (story.again ?? story.run)(root)
  } catch (error) {
    return [`run again it fails: ${String(error)}`]
  }
  return compareStates(select(readState(root), story.compared ?? isPublic), expected)
}

/** What verify says of what is left, absent platforms included, and tags whose manifests clients would not find by digest. */
export async function verifyLeft({ root }: Pick<Left, 'root'>): Promise<string[]> {
  const { problems, notes } = await verifyTree(openTree(root), { complete: true })
  const nameless = notes.filter(({ step, text }) => step === 'manifests' && !OWN_TAG.test(text))
  return [...problems, ...nameless].map(({ path, text }) => `${path}: ${text}`)
}

/** A list of referrers of ours: clients know it by its tag only. */
const OWN_TAG = /\/sha256-[0-9a-f]{64} /

/** What other programs may look at: all but the private folder. */
function isVisible(path: string): boolean {
  return path !== '.registrish' && !path.startsWith('.registrish/')
}

function isPublic(path: string): boolean {
  return path.startsWith('v2/')
}

function applied(before: State, operations: readonly Operation[]): Disk {
  const disk = createDisk(before)
  for (const operation of operations) disk.apply(operation)
  return disk
}

/** What the end of the command promises: no loss of power takes a tag away or moves it back. */
function judgeEnd({ before, after, operations, failures }: Trial): void {
  const left = applied(before, operations).afterLoss('none', 'nothing', createRandom(1))
  const tags = select(after, path => TAG.test(path))
  const lost = compareStates(
    select(left, path => tags.has(path)),
    tags,
  )
  if (lost.length > 0) failures.push(['power lost after the end', ...lost].join('\n    '))
}

/** The path of a tag that is not a list of referrers: those are documents. */
const TAG = /^v2\/.*\/manifests\/(?!sha\d+:|sha256-[0-9a-f]{64}$)[^/]+$/

/** Every state that is different, in the order of the cuts. */
function findStates(before: State, operations: readonly Operation[], seed = 1): readonly Found[] {
  const found = new Map<string, Found>()
  const random = createRandom(seed)
  const disk = createDisk(before)
  const add = (state: State, cut: number, how: string): void => {
    const key = keyOf(select(state, path => !path.startsWith('.registrish/locks/')))
    if (!found.has(key)) found.set(key, { state, cut, how })
  }
  for (let cut = 0; cut <= operations.length; cut += 1) {
    add(disk.current(), cut, 'killed')
    for (const [names, content] of LOSSES) {
      add(
        disk.afterLoss(names, content, random),
        cut,
        `power lost, with ${names} of the loose names, ${content} of the loose bytes,`,
      )
    }
    const operation = operations[cut]
    if (operation !== undefined) disk.apply(operation)
  }
  return [...found.values()]
}

/** Some of a list, evenly. */
function pick<T>(all: readonly T[], count: number): readonly T[] {
  if (all.length <= count) return all
  return Array.from({ length: count }, (_, index) => all[Math.floor((index * all.length) / count)]).filter(
    entry => entry !== undefined,
  )
}
