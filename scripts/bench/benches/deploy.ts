import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Case, Context, Measure, Sample, Side } from '../bench.ts'
import { costMeasures, costSample } from '../cost.ts'
import { type DeployTree, makeLargeLayer, makeLayers, makeManifests, moveTag } from '../deploy-trees.ts'
import { awsSync, rcloneSync } from '../peers.ts'
import { type Cost, runMeasured } from '../programs.ts'
import { registrishCommand } from '../registrish.ts'
import { BUCKET, countObjects, readAsked, S3_ENVIRONMENT, withStore } from '../s3-store.ts'
import { makeDiskScratch } from '../scratch.ts'

/** `registrish deploy` to an S3 server on this machine against programs that bring folders to such servers, which know nothing of registries. */
export const deploy: Bench = {
  name: 'deploy',
  summary: 'deploy to versitygw on this machine, against aws s3 sync and rclone sync --transfers 16',
  needs: ['versitygw'],
  room: { bytes: 5 * 2 ** 30, files: 1_000_000 },
  runs: { full: 3, quick: 1 },
  async prepare(context) {
    const { folder, quick } = context
    const layers = await makeLayers(join(folder, 'layers'), quick ? 40 : 200)
    const manifests = await makeManifests(join(folder, 'manifests'), 10, quick ? 100 : 500)
    const first = (name: string, tree: DeployTree): readonly Case[] => PEERS.map(peer => caseOfFirst(name, tree, peer))
    const again = PEERS.map(peer => caseOfAgain(manifests, peer, folder))
    return [
      ...first(`first, ${quick ? '0.2' : '1'} GB in ${quick ? 40 : 200} layers`, layers),
      ...first(`first, ${manifests.objects - 20} small manifests`, manifests),
      ...again,
      caseOfKeptConnections(manifests),
      caseOfMovedTag(context),
      caseOfMemory(context),
    ]
  },
}

/** A program that brings a folder to a store. */
interface Publisher {
  readonly name: string
  readonly needs: readonly string[]
  /** The command for a store that holds nothing, or all of it already. */
  command(tree: DeployTree, endpoint: string, state: 'empty' | 'same'): readonly string[]
}

const OURS: Publisher = {
  name: 'registrish',
  needs: [],
  command: ({ root }, endpoint) => [
    ...S3_ENVIRONMENT,
    ...registrishCommand('deploy', '--root', root, '--s3', BUCKET, '--s3-endpoint', endpoint, '--s3-path-style'),
    '--quiet',
  ],
}

const RCLONE: Publisher = {
  name: 'rclone',
  needs: ['rclone'],
  command: ({ published }, endpoint, state) => rcloneSync(published, endpoint, state === 'same' ? ['--size-only'] : []),
}

const PEERS: readonly Publisher[] = [
  { name: 'aws', needs: ['aws'], command: ({ published }, endpoint) => awsSync(published, endpoint) },
  RCLONE,
]

/** Into an empty bucket of a server that was just started. */
function caseOfFirst(name: string, tree: DeployTree, peer: Publisher): Case {
  return {
    name: `${name}, against ${peer.name}`,
    needs: peer.needs,
    measures: costMeasures('<= 1 x'),
    setup: async () => [intoEmpty(OURS, tree), intoEmpty(peer, tree)],
  }
}

/** How much the server's habit of closing each connection costs: the same where it does not. */
function caseOfKeptConnections(tree: DeployTree): Case {
  return {
    name: 'first, the same manifests to versitygw --keep-alive, against rclone',
    needs: RCLONE.needs,
    measures: costMeasures('<= 1 x'),
    setup: async () => [intoEmpty(OURS, tree, true), intoEmpty(RCLONE, tree, true)],
  }
}

function intoEmpty(publisher: Publisher, tree: DeployTree, keepAlive = false): Side {
  const store = `${tree.root}-${publisher.name}-empty`
  const remove = (): void => rmSync(store, { recursive: true, force: true })
  return {
    name: publisher.name,
    async run() {
      remove()
      const publish = (endpoint: string): Promise<Cost> => runMeasured(publisher.command(tree, endpoint, 'empty'))
      const cost = await withStore(store, publish, { keepAlive })
      expectAll(store, tree)
      remove()
      return costSample(cost)
    },
  }
}

/** A figure of a deploy that sent less than all would be of something else. */
function expectAll(store: string, tree: DeployTree): void {
  const objects = countObjects(store)
  if (objects < tree.objects) throw new Error(`${objects} objects arrived of ${tree.objects}`)
}

/** When all is there already, put there by the same program. */
function caseOfAgain(tree: DeployTree, peer: Publisher, folder: string): Case {
  return {
    name: `the same ${tree.objects} objects again, against ${peer.name}`,
    needs: peer.needs,
    measures: [
      ...costMeasures('<= 1.5 x'),
      { key: 'requests', name: 'requests', unit: '' },
      { key: 'written', name: 'objects written', unit: 'objects', aim: '<= 0 objects' },
    ],
    setup: async () => [await again(OURS, tree, folder), await again(peer, tree, folder)],
  }
}

async function again(publisher: Publisher, tree: DeployTree, folder: string): Promise<Side> {
  const store = join(folder, `${publisher.name}-same`)
  const publish = (endpoint: string): Promise<Cost> => runMeasured(publisher.command(tree, endpoint, 'same'))
  if (!existsSync(store)) await withStore(store, publish)
  expectAll(store, tree)
  const counted = await countRequests(store, publish)
  return {
    name: publisher.name,
    run: async () => ({ ...costSample(await withStore(store, publish)), ...counted }),
  }
}

/** What a program asks a store, by the store's own log, which no time is taken with. */
async function countRequests(store: string, publish: (endpoint: string) => Promise<Cost>): Promise<Sample> {
  const log = `${store}.log`
  rmSync(log, { force: true })
  await withStore(store, publish, { log })
  const { requests, writes } = readAsked(log)
  return { requests, written: writes }
}

/** One tag of very many names another image: the store lists a thousand objects to a request. */
function caseOfMovedTag({ folder, quick }: Context): Case {
  const size = { repositories: 100, tags: quick ? 50 : 500 }
  const objects = size.repositories * (size.tags * 2 + 2)
  const allowed = Math.round((2 * objects) / 1000) + MOVED.created + 10
  // A few requests are the same for every store: of a smaller one they are too large a part.
  const aim = quick ? {} : { aim: `<= ${allowed} requests` }
  const requests: Measure = { key: 'requests', name: 'requests', unit: 'requests', ...aim }
  return {
    name: `one moved tag among ${objects} objects`,
    needs: [],
    measures: [requests, { key: 'written', name: 'objects written', unit: 'objects' }, ...costMeasures()],
    async setup() {
      const tree = await makeManifests(join(folder, 'many'), size.repositories, size.tags)
      const store = join(folder, 'many-store')
      const publish = (endpoint: string): Promise<Cost> => runMeasured(OURS.command(tree, endpoint, 'same'))
      await withStore(store, publish)
      expectAll(store, tree)
      let moved = 0
      const run = async (): Promise<Sample> => {
        moveTag(tree.root, String(moved++))
        const counted = await countRequests(store, publish)
        if ((counted['written'] ?? 0) < MOVED.written) throw new Error('the moved tag was not deployed')
        moveTag(tree.root, String(moved++))
        return { ...counted, ...costSample(await withStore(store, publish)) }
      }
      return [{ name: 'registrish', run }]
    },
  }
}

/** Objects of {@link moveTag}. */
const MOVED = { written: 3, created: 2 }

/** A layer that is sent in parts. The server writes all of it, and in the end twice: not in memory. */
function caseOfMemory({ folder, quick, atEnd }: Context): Case {
  const gibibytes = quick ? 1 : 6
  const disk = makeDiskScratch({ bytes: 2.2 * gibibytes * 2 ** 30, files: 1000 })
  if (disk !== undefined) atEnd(async () => disk.remove())
  return {
    name: `a layer of ${gibibytes} GiB`,
    needs: [],
    lacks: disk === undefined ? 'there is no disk with room for its files' : undefined,
    // 250 MB
    measures: costMeasures().map(measure => (measure.key === 'memory' ? { ...measure, aim: '<= 238 MiB' } : measure)),
    async setup() {
      const tree = await makeLargeLayer(join(folder, 'large'), gibibytes * 2 ** 30)
      const store = join(disk?.folder ?? '', 'store')
      const run = async (): Promise<Sample> => {
        rmSync(store, { recursive: true, force: true })
        const cost = await withStore(store, endpoint => runMeasured(OURS.command(tree, endpoint, 'empty')))
        expectAll(store, tree)
        rmSync(store, { recursive: true, force: true })
        return costSample(cost)
      }
      return [{ name: 'registrish', run }]
    },
  }
}
