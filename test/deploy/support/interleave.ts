import {
  type Before,
  type Clock,
  createMemoryStore,
  type MemoryObject,
  type MemoryStore,
} from '../../support/memory-store.ts'
import type { Random } from '../deletions-schedule.ts'

/*
 * Runs several deploys over one store of objects, one step at a time: a step happens when all that live wait for one, and who goes on is chosen.
 * Whoever sleeps does so on the stores' clock (quick-sleep.ts).
 */

/** Whose turn it is: the number of an actor among those that live. Steps done so far are told by actor. */
export type Choose = (live: readonly number[], done: readonly number[]) => number

/** What the deploys run upon. */
export interface World {
  readonly objects: Map<string, MemoryObject>
  readonly clock: Clock
  readonly choose: Choose
  /** Milliseconds that pass before a step. Default none; while a request is under way never more than 9 s pass. */
  readonly tick?: () => number
  /** Called after each step. */
  readonly check?: () => void
  /** Options of all stores. */
  readonly pageSize?: number
}

/** One of those who use the store. */
export type Actor = (store: MemoryStore) => Promise<unknown>

interface Gate {
  readonly since: number
  readonly open: () => void
}

interface Player {
  readonly store: MemoryStore
  readonly gates: Gate[]
  done: number
  ended: boolean
  error?: unknown
}

/** A request that is not answered in that time is given up by whoever asks; in ms. */
const LONGEST_REQUEST = 9000

/** Lets actors run until all have ended; gives their stores. @throws what the first of them threw. */
export async function interleave(actors: readonly Actor[], world: World): Promise<readonly MemoryStore[]> {
  const players = actors.map(actor => startPlayer(actor, world))
  for (;;) {
    await new Promise(setImmediate)
    const failed = players.find(({ error }) => error !== undefined)
    if (failed !== undefined) throw failed.error
    const live = players.flatMap(({ ended }, number) => (ended ? [] : [number]))
    if (live.length === 0) return players.map(({ store }) => store)
    if (!live.every(number => (players[number]?.gates.length ?? 0) > 0)) continue
    const gate = nextGate(players, live, world)
    gate?.open()
    await new Promise(setImmediate)
    world.check?.()
  }
}

function startPlayer(actor: Actor, { objects, clock, pageSize }: World): Player {
  const gates: Gate[] = []
  const before: Before = () => new Promise<void>(open => gates.push({ since: clock.now, open }))
  const store = createMemoryStore({ objects, clock, before, ...(pageSize === undefined ? {} : { pageSize }) })
  const player: Player = { store, gates, done: 0, ended: false }
  actor(store)
    .catch((error: unknown) => {
      player.error = error
    })
    .finally(() => {
      player.ended = true
    })
  return player
}

function nextGate(
  players: readonly Player[],
  live: readonly number[],
  { clock, choose, tick }: World,
): Gate | undefined {
  const waiting = players.flatMap(player => player.gates.map(gate => ({ player, gate })))
  waiting.sort((one, other) => one.gate.since - other.gate.since)
  const oldest = waiting[0]
  const pass = tick?.() ?? 0
  const late = oldest !== undefined && clock.now + pass - oldest.gate.since > LONGEST_REQUEST
  if (!late) clock.now += pass
  const player = late
    ? oldest.player
    : players[
        choose(
          live,
          players.map(({ done }) => done),
        )
      ]
  if (player === undefined) throw new Error('nobody was chosen')
  const gate = late ? oldest.gate : player.gates[0]
  if (gate === undefined) return undefined
  player.gates.splice(player.gates.indexOf(gate), 1)
  player.done += 1
  return gate
}

/** Chooses by chance, for some steps in a row each time. */
export function byChance(random: Random): Choose {
  let turn = 0
  let left = 0
  return live => {
    if (left <= 0 || !live.includes(turn)) {
      turn = live[Math.floor(random() * live.length)] ?? 0
      left = random() < 0.5 ? 1 : Math.floor(random() * 12)
    }
    left -= 1
    return turn
  }
}

/** The first does so many steps, then the second so many (default: all of its own), then the first its rest, then the others. */
export function inTurns(first: number, second: number = Number.POSITIVE_INFINITY): Choose {
  return (live, done) => {
    if (live.includes(0) && (done[0] ?? 0) < first) return 0
    if (live.includes(1) && (done[1] ?? 0) < second) return 1
    return live[0] ?? 0
  }
}
