import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { copyBucket, emptyBucket, unendedUploads } from './support/copied-buckets.ts'
import { type DeployStep, makeDeploySteps } from './support/deploy-steps.ts'
import { type Fault, startFaultyProxy } from './support/faulty-store-proxy.ts'
import { describeStore, judgeInterrupted, readStore, type StoreContent, tagsOf } from './support/interrupted-store.ts'
import { createRandom, type Random } from './support/kills.ts'
import { type ObjectStoreServer, type PublicBucket, startObjectStore } from './support/object-stores.ts'
import { MAIN } from './support/registrish.ts'
import { describeWith } from './support/suites.ts'

/*
 * Deploys that are killed, cut off or refused at random moments, as real processes to a real server. After each of them the bucket is read as anyone reads it;
 * then the same deploy runs again and must leave what one that nothing happened to leaves.
 */

const FAULTS = 200
/** Faults at once: each has a bucket of its own. */
const WORKERS = 3
/** Milliseconds after its first fault when a deploy that tries and tries again is killed, as an impatient user would. */
const PATIENCE = 4000

/** A step, and what it does where nothing goes wrong. */
interface KnownStep extends DeployStep {
  /** A bucket as the step finds it. */
  readonly before: PublicBucket
  readonly tagsBefore: Readonly<Record<string, string>>
  readonly after: StoreContent
  readonly connections: number
}

describeWith(['versitygw'], 'a deploy that something happens to', () => {
  let server: ObjectStoreServer
  beforeAll(async () => {
    server = await startObjectStore('versitygw')
  })
  afterAll(() => server.stop())

  it(`shows nothing incomplete, and the next completes it: ${FAULTS} kills, resets, stalls and refusals`, async () => {
    const steps = await learnSteps(server, await makeDeploySteps(await makeTemporaryFolder()))
    const random = createRandom('faults of deploy')
    const plans = Array.from({ length: FAULTS }, (_, number) => planFault(number, steps, random))
    const endings = await playAll(server, plans)
    const counts = countEndings(endings)
    process.stderr.write(`faults of deploy: ${JSON.stringify(counts)}\n`)
    expect(endings.filter(({ hits }) => hits > 0).length).toBeGreaterThan(FAULTS * 0.9)
    expect(Object.keys(counts).length).toBeGreaterThan(4)
  }, 1_200_000)
})

/** Runs every step twice without a fault, the second time counted: the first shows what must be there. */
async function learnSteps(server: ObjectStoreServer, steps: readonly DeployStep[]): Promise<readonly KnownStep[]> {
  const empty = await server.addBucket('empty')
  const filled = new Map<string | undefined, PublicBucket>([[undefined, empty]])
  const known: KnownStep[] = []
  for (const [number, step] of steps.entries()) {
    const before = filled.get(step.from) ?? empty
    const bucket = await copyBucket(server, before, `clean-${number}`)
    const proxy = await startFaultyProxy(server.endpoint)
    await deployClean(server, bucket, { root: step.to, endpoint: proxy.endpoint })
    await proxy.close()
    const after = await readStore(bucket)
    expect(judgeInterrupted(after)).toEqual([])
    if (!filled.has(step.to)) filled.set(step.to, bucket)
    const tagsBefore = tagsOf(await readStore(before))
    known.push({ ...step, before, tagsBefore, after, connections: proxy.connections() })
  }
  return known
}

interface Plan {
  readonly step: KnownStep
  readonly fault: Fault
}

const KINDS = ['kill', 'kill', 'reset', 'stall', 'refuse'] as const

/** Every kind in turn, at any request. What does not kill hits one, some or all that follow. */
function planFault(number: number, steps: readonly KnownStep[], random: Random): Plan {
  const step = steps[Math.floor(random.next() * steps.length)]
  const kind = KINDS[number % KINDS.length]
  if (step === undefined || kind === undefined) throw new Error('there are steps and kinds')
  const first = Math.floor(random.next() * step.connections)
  const count = kind === 'kill' ? 1 : [1, 5, 1_000_000][Math.floor(random.next() * 3)]
  const side = random.next() < 0.6 ? 'request' : 'answer'
  return { step, fault: { kind, side, part: random.next(), first, count: count ?? 1 } }
}

interface Ending {
  readonly kind: Fault['kind']
  readonly hits: number
  readonly how: 'killed' | 'failed' | 'completed'
  /** Begun and never ended, after the next deploy. */
  readonly uploads: number
}

/** Several at a time, until one finds something wrong; the others then end first. */
async function playAll(server: ObjectStoreServer, plans: readonly Plan[]): Promise<readonly Ending[]> {
  const endings: Ending[] = []
  const waiting = [...plans.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      endings.push(
        await playFault(server, ...next).catch((error: unknown) => {
          waiting.length = 0
          throw error
        }),
      )
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: WORKERS }, work))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return endings
}

async function playFault(server: ObjectStoreServer, number: number, { step, fault }: Plan): Promise<Ending> {
  const bucket = await copyBucket(server, step.before, `fault-${number}`)
  const known = new Map()
  const { how, hits, output } = await deployFaulty(server, bucket, { step, fault })
  const about = `${number}: ${step.name}, ${JSON.stringify(fault)}: ${how}\n${output}`
  const left = await readStore(bucket, known)
  expect(judgeInterrupted(left), about).toEqual([])
  expectTags(tagsOf(left), step, about)
  if (how !== 'completed') await deployClean(server, bucket, { root: step.to, endpoint: server.endpoint })
  const complete = await readStore(bucket, known)
  expect(describeStore(complete), about).toEqual(describeStore(step.after))
  const uploads = await unendedUploads(server, bucket)
  // What was killed, or was never told the name of its upload, leaves parts that nobody sees; a later deploy sweeps them, once they are old.
  if (how === 'completed' && fault.side === 'request') expect(uploads, about).toEqual([])
  await emptyBucket(server, bucket)
  return { kind: fault.kind, hits, how, uploads: uploads.length }
}

/** No tag has gone, and each is what it was or what it is to be. */
function expectTags(tags: Readonly<Record<string, string>>, { tagsBefore, after }: KnownStep, about: string): void {
  expect(Object.keys(tags), about).toEqual(expect.arrayContaining(Object.keys(tagsBefore)))
  const tagsAfter = tagsOf(after)
  const wrong = Object.entries(tags).filter(([tag, digest]) => ![tagsBefore[tag], tagsAfter[tag]].includes(digest))
  // A list of referrers is a tag too, and what it holds half way is neither.
  expect(
    wrong.filter(([tag]) => !/:sha256-[0-9a-f]{64}$/.test(tag)),
    about,
  ).toEqual([])
}

async function deployFaulty(
  server: ObjectStoreServer,
  bucket: PublicBucket,
  { step, fault }: Plan,
): Promise<Pick<Ending, 'how' | 'hits'> & { readonly output: string }> {
  const kill = (): void => void child.kill('SIGKILL')
  let impatience: NodeJS.Timeout | undefined
  const onFirstHit = (): void => {
    impatience = setTimeout(kill, PATIENCE)
  }
  const proxy = await startFaultyProxy(server.endpoint, { fault, kill, onFirstHit })
  const child = startDeploy(server, bucket, { root: step.to, endpoint: proxy.endpoint })
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  await once(child, 'close')
  clearTimeout(impatience)
  await proxy.close()
  const how = child.signalCode === 'SIGKILL' ? 'killed' : child.exitCode === 0 ? 'completed' : 'failed'
  return { how, hits: proxy.hits(), output: (await output).join('\n') }
}

/** How a tree is brought to a bucket, over a proxy or straight. */
interface Way {
  readonly root: string
  readonly endpoint: string
}

async function deployClean(server: ObjectStoreServer, bucket: PublicBucket, way: Way): Promise<void> {
  const child = startDeploy(server, bucket, way)
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  await once(child, 'close')
  expect(child.exitCode, (await output).join('\n')).toBe(0)
}

function startDeploy({ env }: ObjectStoreServer, { bucket }: PublicBucket, { root, endpoint }: Way) {
  const args = ['deploy', '--root', root, '--s3', bucket, '--s3-endpoint', endpoint, '--s3-path-style']
  return spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env, CI: 'true' },
  })
}

/** How many faults of each kind ended how. */
function countEndings(endings: readonly Ending[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  const add = (name: string, count = 1): void => {
    counts[name] = (counts[name] ?? 0) + count
  }
  for (const { kind, how, hits, uploads } of endings) {
    add(hits === 0 ? 'missed' : `${kind}, ${how}`)
    add('uploads left to be swept', uploads)
  }
  return counts
}
