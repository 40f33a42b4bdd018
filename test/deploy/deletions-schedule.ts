import type { ObjectStore } from '../../src/deploy/store.ts'
import type { Sleep } from '../../src/http/retry.ts'
import { type Before, type Clock, createMemoryStore, type MemoryObject } from '../support/memory-store.ts'

/*
 * Runs several actors over one store of objects, one request at a time, in an order that a seed decides: any may be killed or held before a request
 * happens or before it hears of it, and the clock goes on, or jumps, between any two. The same seed gives the same run.
 */

/** An actor's way into the world. */
export interface Access {
  readonly store: ObjectStore
  readonly sleep: Sleep
  readonly alarm: (ms: number) => AbortSignal
}

/** A world of actors. */
export interface Schedule {
  readonly objects: Map<string, MemoryObject>
  readonly clock: Clock
  /** Requests that have happened. */
  readonly steps: () => number
  readonly random: Random
  /** Starts an actor; one may be killed if it is mortal. */
  start(actor: (access: Access) => Promise<void>, options?: { readonly mortal?: boolean }): void
  /** Lets all run until each has ended or is dead; calls `check` after each request. */
  run(check: () => void): Promise<void>
}

/** From 0 up to 1, from a seed: mulberry32. */
export type Random = () => number

/** Makes a {@link Random}. */
export function createRandom(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Actor {
  readonly mortal: boolean
  isDone: boolean
  /** How often it has its turn, beside others. */
  pace: number
}

/** A request that waits to happen, or an answer that waits to be heard. */
interface Gate {
  readonly actor: Actor
  readonly open: () => void
}

interface Timer {
  readonly at: number
  readonly fire: () => void
}

/** Chances, for each move of the world: that the mortal one who moves dies, that the clock jumps, that somebody becomes slow or quick. */
const DEATH = 0.01
const JUMP = 0.01
const CHANGE = 0.02
/** How often the clock goes on, by how much at most, in ms: it depends on the seed. */
const TICKS = [0.02, 0.1, 0.3]
const LONGEST_TICKS = [500, 4000, 12_000]
const PACES = [0.02, 0.3, 1, 5]
/** Steps of a run that is taken to be without end. */
const MOST_STEPS = 20_000
/** Longest jump, and how far an actor's clock is off at most, in ms. */
const LONGEST_JUMP = 130_000
const OFF = 2400

/** Makes a {@link Schedule}. */
export function createSchedule(seed: number): Schedule {
  const random = createRandom(seed)
  const clock: Clock = { now: Date.UTC(2026, 0, 1) }
  const objects = new Map<string, MemoryObject>()
  const actors: Actor[] = []
  const failures: unknown[] = []
  const choose = (list: readonly number[]): number => list[Math.floor(random() * list.length)] ?? 0
  const ticks = choose(TICKS)
  const longestTick = choose(LONGEST_TICKS)
  let gates: Gate[] = []
  let timers: Timer[] = []
  let steps = 0
  const pass = (actor: Actor): Promise<void> => new Promise(open => gates.push({ actor, open }))
  const after = (ms: number, fire: () => void): void => {
    timers.push({ at: clock.now + ms, fire })
  }
  const advance = (ms: number): void => {
    clock.now += ms
    const due = timers.filter(({ at }) => at <= clock.now)
    timers = timers.filter(timer => !due.includes(timer))
    for (const { fire } of due) fire()
  }
  const nextGate = (): Gate | undefined => {
    let point = random() * gates.reduce((sum, { actor }) => sum + actor.pace, 0)
    return gates.find(({ actor }) => {
      point -= actor.pace
      return point < 0
    })
  }
  const move = (): void => {
    if (random() < ticks || gates.length === 0) advance(Math.ceil(random() * longestTick))
    if (random() < JUMP) advance(Math.ceil(random() * LONGEST_JUMP))
    for (const actor of actors) if (random() < CHANGE) actor.pace = choose(PACES)
    const gate = nextGate()
    if (gate === undefined) return
    gates = gates.filter(other => other !== gate)
    if (gate.actor.mortal && random() < DEATH) {
      gate.actor.isDone = true
      gates = gates.filter(other => other.actor !== gate.actor)
      return
    }
    steps += 1
    gate.open()
  }
  return {
    objects,
    clock,
    steps: () => steps,
    random,
    start(play, { mortal = true } = {}) {
      const actor: Actor = { mortal, isDone: false, pace: choose(PACES) }
      actors.push(actor)
      const before: Before = async () => {
        await pass(actor)
        if (actor.isDone) await new Promise(() => {}) // it is dead
      }
      const memory = createMemoryStore({ objects, clock, before, pageSize: 2 })
      const off = Math.floor((random() * 2 - 1) * OFF)
      const access: Access = {
        store: withAnswers({ ...memory, now: () => clock.now + off }, random, () => pass(actor)),
        sleep: ms => new Promise<void>(resolve => after(ms, resolve)),
        alarm(ms) {
          const controller = new AbortController()
          after(ms, () => controller.abort(new Error('late')))
          return controller.signal
        },
      }
      play(access)
        .catch((error: unknown) => failures.push(error))
        .finally(() => {
          actor.isDone = true
        })
    },
    async run(check) {
      for (;;) {
        await new Promise(setImmediate)
        check()
        if (failures.length > 0) throw failures[0]
        if (actors.every(({ isDone }) => isDone)) return
        if (steps > MOST_STEPS) throw new Error('they never end')
        move()
      }
    },
  }
}

/** Answers take their time, and that of a write may be lost: it is then tried again, and finds that its condition does not hold any more. */
function withAnswers(store: ObjectStore, random: Random, pass: () => Promise<void>): ObjectStore {
  const heard = async <T>(answer: Promise<T>): Promise<T> => {
    const value = await answer
    if (random() < 0.3) await pass()
    return value
  }
  return {
    ...store,
    head: (...request) => heard(store.head(...request)),
    get: (...request) => heard(store.get(...request)),
    delete: (...request) => heard(store.delete(...request)),
    async put(object, options) {
      const etag = await heard(store.put(object, options))
      return options?.condition !== undefined && random() < 0.05 ? undefined : etag
    },
  }
}
