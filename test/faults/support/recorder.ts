import { createRequire } from 'node:module'
import { relative, sep } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Operation } from './operations.ts'
import { createRandom, type Random } from './random.ts'

/*
 * Remembers what code does to the files below one folder while it does it. What a promise stands for happens at one moment between its call and its end,
 * some turns of the event loop from either, so that code that does not wait for it is found out; a flush holds only what was done before it was asked for.
 */

/** Node's own, whatever stands for it in tests. */
export const realFs: typeof import('node:fs') = createRequire(import.meta.url)('node:fs')

/** What was recorded. */
export interface Recording {
  readonly operations: readonly Operation[]
  /** Functions that change files, or may, and that the recorder does not know: what they did is not recorded. */
  readonly unknown: ReadonlySet<string>
}

interface Recorder {
  readonly root: string
  readonly operations: Operation[]
  readonly unknown: Set<string>
  readonly handles: Map<number, OpenFile>
  readonly random: Random
  opened: number
}

/** An open file or folder, by its descriptor. */
interface OpenFile {
  readonly handle: number
  readonly append: boolean
  position: number
}

let recorder: Recorder | undefined
let flushes = true
let links = true

/** Records what `run` does below a folder; `seed` decides how the work of promises is interleaved. */
export async function record(root: string, run: () => Promise<unknown>, seed = 1): Promise<Recording> {
  const recording: Recorder = {
    root,
    operations: [],
    unknown: new Set(),
    handles: new Map(),
    random: createRandom(seed),
    opened: 0,
  }
  recorder = recording
  try {
    await run()
  } finally {
    recorder = undefined
  }
  return recording
}

/** Makes flushes do nothing from now on: no power is lost where states are tried, and time is. */
export function withoutFlushes(): void {
  flushes = false
}

/** Whether the disk gives hard links. */
export function givesLinks(): boolean {
  return links
}

/** Makes the disk one that gives no hard links, or one that does. */
export function setLinks(given: boolean): void {
  links = given
}

/** Whether flushes reach the disk. */
export function isFlushing(): boolean {
  return flushes && recorder === undefined
}

/** The root-relative path of a file that is being recorded; undefined for any other. */
export function recordedPath(path: unknown): string | undefined {
  if (recorder === undefined) return undefined
  if (typeof path !== 'string') throw unknownFunction(`a path that is no string: ${String(path)}`)
  const inside = relative(recorder.root, path)
  return inside === '..' || inside.startsWith(`..${sep}`) ? undefined : inside
}

/** Whether an open file is being recorded. */
export function isRecorded(descriptor: number): boolean {
  return recorder?.handles.has(descriptor) === true
}

/** Notes an operation that has just been done. */
export function note(operation: Operation): void {
  recorder?.operations.push(operation)
}

/** How many operations there are: what a flush that begins now will hold. */
export function position(): number {
  return recorder?.operations.length ?? 0
}

/** Turns of the event loop that a flush takes at least: more than anything that does not wait for it. */
const FLUSH_TURNS = 12

/** Does something at one moment, later; a flush late. */
export async function later<T>(act: () => T, { flush = false }: { readonly flush?: boolean } = {}): Promise<T> {
  await turns(flush ? FLUSH_TURNS : 0)
  try {
    return act()
  } finally {
    await turns(0)
  }
}

async function turns(least: number): Promise<void> {
  if (recorder === undefined) return
  for (let left = least + recorder.random(3); left > 0; left -= 1) await setImmediate()
}

/** Notes that a file was opened. */
export function noteOpen(
  path: string,
  descriptor: number,
  { creates, append }: { readonly creates: boolean; readonly append: boolean },
): void {
  if (recorder === undefined) return
  recorder.opened += 1
  recorder.handles.set(descriptor, { handle: recorder.opened, append, position: 0 })
  note({ kind: 'open', path, handle: recorder.opened, creates })
}

/** Writes to an open file, all of it, and notes where. */
export function writeRecorded(descriptor: number, bytes: Uint8Array, at?: number | null): void {
  const file = recorder?.handles.get(descriptor)
  if (file === undefined) throw new Error(`nothing is recorded of descriptor ${descriptor}`)
  const start = file.append ? realFs.fstatSync(descriptor).size : (at ?? file.position)
  for (let done = 0; done < bytes.length; ) {
    done += realFs.writeSync(descriptor, bytes, done, bytes.length - done, file.append ? null : start + done)
  }
  if (typeof at !== 'number') file.position = start + bytes.length
  note({ kind: 'write', handle: file.handle, position: start, bytes: Buffer.from(bytes) })
}

/** Cuts an open file, and notes it. */
export function truncateRecorded(descriptor: number, size: number): void {
  realFs.ftruncateSync(descriptor, size)
  note({ kind: 'truncate', handle: handleOf(descriptor), size })
}

/** The number of an open file that is recorded. */
export function handleOf(descriptor: number): number {
  return recorder?.handles.get(descriptor)?.handle ?? 0
}

/** Forgets a descriptor that is about to be closed. */
export function noteClose(descriptor: number): void {
  recorder?.handles.delete(descriptor)
}

/** The error for a function that is not known; while something is recorded it is remembered, lest somebody swallows it. */
export function unknownFunction(name: string): Error {
  recorder?.unknown.add(name)
  return new Error(
    `test/faults/support does not know what ${name} does to files: teach it, so that power can be lost there too`,
  )
}

/** Whether something is recorded. */
export function isRecording(): boolean {
  return recorder !== undefined
}
