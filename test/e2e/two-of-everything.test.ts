import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { type Graph, makeArtifact, makeImage, makeIndex, withReferrers } from '../support/made-images.ts'
import { makeLayer } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { createRandom, type Random } from './support/kills.ts'
import { type Operator, OperatorEnded, type Outcome, startOperator } from './support/operator.ts'
import { type Puller, startPuller } from './support/puller.ts'
import { describeWith } from './support/suites.ts'

const ROUNDS = 20
/** In each so manieth round one of the two is killed. */
const KILLED = 4
/** Milliseconds by which one of the two may begin after the other. */
const LATEST = 20

/** What one of the two does in a round: operations one after the other. */
type Work = (round: Round) => readonly (readonly [operation: string, options?: Readonly<Record<string, unknown>>])[]

/** One round: what upstream holds, and what was there before. */
interface Round {
  readonly number: number
  readonly image: string
}

interface Pair {
  readonly name: string
  readonly first: Work
  readonly second: Work
  /** Tags that name what they have to after a round, beside `latest`; default: those of all rounds so far. */
  readonly left?: (number: number) => readonly string[]
  /** Whether the files of hosts have to be right after a round. */
  readonly emits?: boolean
  /** Whether clients pull all the while. */
  readonly pulled?: boolean
}

/** Moves `latest`, and adds a tag of this round. */
const fetches: Work = ({ image, number }) => [['fetch', { image, tags: ['latest', `r${number}`] }]]
/** Moves two tags, so that nothing names what they named. */
const moves: Work = ({ image }) => [['fetch', { image, tags: ['latest', 'edge'] }]]
const allRounds = (number: number): readonly string[] => Array.from({ length: number + 1 }, (_, at) => `r${at}`)

/** The same operation again and again, so that it meets the other in every state. */
function times(count: number, operation: string): readonly (readonly [string])[] {
  return Array.from({ length: count }, () => [operation] as const)
}

const PAIRS: readonly Pair[] = [
  { name: 'fetch and fetch', first: fetches, second: moves, left: number => ['edge', ...allRounds(number)] },
  { name: 'fetch and prune', first: moves, second: () => times(4, 'prune'), left: () => ['edge'] },
  {
    name: 'fetch and remove',
    first: fetches,
    second: ({ number }) =>
      number === 0 ? [['list']] : [['remove', { targets: [{ repository: 'app', reference: `r${number - 1}` }] }]],
    left: number => [`r${number}`],
  },
  { name: 'emit and fetch', first: fetches, second: () => times(3, 'emit'), emits: true },
  { name: 'serve and fetch', first: fetches, second: () => times(2, 'list'), pulled: true },
  {
    name: 'list and all of them',
    left: () => ['edge'],
    first: round => [...moves(round), ['prune'], ['emit'], ['verify']],
    second: () => times(8, 'list'),
  },
  { name: 'verify and fetch', first: fetches, second: () => times(3, 'verify') },
  { name: 'verify --repair and fetch', first: fetches, second: () => times(3, 'repair') },
]

describeWith([], 'two at once', () => {
  it.each(PAIRS)(`$name: ${ROUNDS} rounds, nothing is lost, nothing wrong, nobody waits for the dead`, async pair => {
    const random = createRandom(pair.name)
    const { registry, images } = await startUpstream()
    const image = `${registry.host}/app`
    const root = await makeTemporaryFolder()
    const pairOf: [Operator, Operator] = [await startOperator(root), await startOperator(root)]
    succeed(await pairOf[0].run('fetch', { image, tags: ['edge', 'latest'] }))
    const puller = pair.pulled === true ? await startPulling(root) : undefined
    for (let number = 0; number < ROUNDS; number++) {
      const moved = images[number + 1]
      if (moved === undefined) throw new Error('no image')
      for (const tag of ['latest', 'edge', `r${number}`]) registry.put('app', tag, moved)
      const works = [pair.first, pair.second].map(work => work({ number, image })) as [Steps, Steps]
      const victim = number % KILLED === KILLED - 1 ? Math.floor(random.next() * 2) : undefined
      await playRound(root, { pairOf, works, random, victim })
      await expectRight(root, pairOf[1], {
        latest: moved,
        ...Object.fromEntries(
          (pair.left ?? allRounds)(number).map(tag => [tag, tag === 'edge' ? moved : images[Number(tag.slice(1)) + 1]]),
        ),
      })
      if (pair.emits === true) await expectEmitted(pairOf[0], victim === undefined)
      await puller?.pulls(2)
    }
    const complaints = await puller?.stop()
    expect(complaints ?? []).toEqual([])
  })
})

type Steps = ReturnType<Work>

interface Playing {
  readonly pairOf: [Operator, Operator]
  readonly works: readonly [Steps, Steps]
  readonly random: Random
  /** Which of the two is killed. */
  readonly victim: number | undefined
}

/** Both at once; one that is killed is followed by another that does the same, at once. */
async function playRound(root: string, { pairOf, works, random, victim }: Playing): Promise<void> {
  const playing = works.map(async (steps, at) => {
    const operator = pairOf[at]
    await delay(random.next() * LATEST)
    return runAll(operator, steps, at === victim)
  })
  if (victim !== undefined) {
    await delay(random.next() * 3 * LATEST)
    const dead = pairOf[victim]
    await dead?.kill()
    const next = await startOperator(root)
    pairOf[victim] = next
    const notes = await runAll(next, works[victim] ?? [], false, ['not-found'])
    expect(notes.filter(note => note.includes(`pid ${dead?.pid}`))).toEqual([])
  }
  await Promise.all(playing)
}

async function runAll(
  operator: Operator | undefined,
  steps: Steps,
  dies: boolean,
  allowed: readonly string[] = [],
): Promise<readonly string[]> {
  const notes: string[] = []
  for (const [operation, options] of steps) {
    try {
      const outcome = await operator?.run(operation, options)
      if (outcome === undefined) continue
      notes.push(...outcome.notes)
      if (outcome.error !== undefined && allowed.includes(outcome.error.code)) continue
      const value = succeed(outcome)
      if (['list', 'verify', 'repair'].includes(operation)) expect(value).toEqual([])
    } catch (error) {
      if (dies && error instanceof OperatorEnded) return notes
      throw error
    }
  }
  return notes
}

function succeed({ value, error }: Outcome): unknown {
  if (error !== undefined) throw new Error(`${error.code}: ${error.message}`)
  return value
}

/** Nothing is wrong, every tag names what it has to, and the documents name exactly the tags that are there. */
async function expectRight(
  root: string,
  operator: Operator,
  tags: Readonly<Record<string, Graph | undefined>>,
): Promise<void> {
  expect(succeed(await operator.run('verify'))).toEqual([])
  for (const [tag, image] of Object.entries(tags)) {
    const held = await readFile(join(root, 'v2/app/manifests', tag))
    expect(held.equals(image?.manifests.get(image.root.digest) ?? new Uint8Array()), tag).toBe(true)
  }
  const list = JSON.parse(await readFile(join(root, 'v2/app/tags/list'), 'utf8')) as {
    readonly tags: readonly string[]
  }
  const named = list.tags.filter(tag => !tag.startsWith('sha256-'))
  expect(named).toEqual([...new Set([...Object.keys(tags), 'edge'])].sort())
}

/** The files of the hosts are as they would be written now. After a kill they are only mended. */
async function expectEmitted(operator: Operator, isRight: boolean): Promise<void> {
  const hosts = succeed(await operator.run('emit')) as readonly unknown[]
  if (isRight) expect(hosts).toEqual(hosts.map(() => ({ changed: [], links: 0 })))
}

async function startPulling(root: string): Promise<Puller> {
  const server = await startOperator(root)
  return startPuller(`${String(succeed(await server.run('serve')))}`, 'app', ['latest', 'edge'])
}

/** A registry that holds small images which share a layer and have referrers; no tag is set but the first ones. */
async function startUpstream(): Promise<{ readonly registry: TestRegistry; readonly images: readonly Graph[] }> {
  const base = await makeLayer('base')
  const images = await Promise.all(
    Array.from({ length: ROUNDS + 1 }, async (_, at) => {
      const layers = [base, await makeLayer(`layer-${at}`)]
      const platforms = ['linux/amd64', 'linux/arm64', 'linux/s390x'].map(platform =>
        makeImage({ platform, layers, seed: `image-${at}` }),
      )
      const image = makeIndex(await Promise.all(platforms))
      return withReferrers(image, makeArtifact({ subject: image, payload: `about ${at}` }))
    }),
  )
  const [first] = images
  const registry = await startTestRegistry()
  onTestFinished(() => registry.close())
  for (const tag of ['latest', 'edge']) if (first !== undefined) registry.put('app', tag, first)
  return { registry, images }
}
