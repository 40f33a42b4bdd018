import { join } from 'node:path'
import { rebuildDocuments } from '../../../src/tree/documents.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeAttestation,
  makeCosignSignature,
  makeImage,
  makeIndex,
  withReferrers,
} from '../../support/made-images.ts'
import { makeBigLayer, makeLayer } from '../../support/made-layers.ts'
import { writeTree } from '../../support/write-images.ts'

/** A deploy that something may happen to: the bucket holds one tree, or nothing, and gets another. */
export interface DeployStep {
  readonly name: string
  /** The tree that the bucket holds. */
  readonly from?: string
  /** The tree that it gets. */
  readonly to: string
}

/** More than a store is sent in one piece. */
const BIG = 17 * 1024 * 1024

type Content = Readonly<Record<string, Readonly<Record<string, Graph>>>>

/** Makes two trees below a folder, with all that an order can be wrong about, and the three ways between them: the first, forward, and back again. */
export async function makeDeploySteps(folder: string): Promise<readonly DeployStep[]> {
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  await writeContent(one, await makeFirst())
  await writeContent(two, await makeSecond())
  return [
    { name: 'into an empty bucket', to: one },
    { name: 'moved tags, new images, new referrers', from: one, to: two },
    { name: 'the same tags moved back', from: two, to: one },
  ]
}

async function writeContent(root: string, content: Content): Promise<void> {
  for (const [repository, images] of Object.entries(content)) await writeTree(root, repository, images)
  await rebuildDocuments(root)
}

async function makeFirst(): Promise<Content> {
  const app = await makeSigned('one')
  const tool = await makeImage({ seed: 'tool-one', layers: [await makeLayer('base'), await makeLayer('tool-one')] })
  const big = await makeImage({ seed: 'big-one', layers: [await makeBigLayer(BIG, 'big-one')] })
  return {
    app: { '1.0': app, latest: app, [digestTag(app.root.digest, 'sig')]: makeCosignSignature(app) },
    'team/tool': { latest: tool, '1': tool },
    big: { latest: big },
  }
}

/** What the first holds is there still, as in a tree that more was fetched into; `latest` is another image everywhere. */
async function makeSecond(): Promise<Content> {
  const first = await makeFirst()
  const old = withReferrers(
    await makeSigned('one'),
    makeArtifact({ subject: await makeSigned('one'), payload: 'more' }),
  )
  const app = await makeSigned('two')
  const tool = await makeImage({ seed: 'tool-two', layers: [await makeLayer('base'), await makeLayer('tool-two')] })
  const big = await makeImage({ seed: 'big-two', layers: [await makeBigLayer(BIG, 'big-two')] })
  return {
    app: { ...first['app'], '1.0': old, '2.0': app, latest: app },
    'team/tool': { ...first['team/tool'], latest: tool, '2': tool },
    big: { ...first['big'], '1': (await makeFirst())['big']?.['latest'] ?? big, latest: big },
    'team/new': { latest: tool },
  }
}

/** Two platforms, what BuildKit attests of one, and an artifact that refers to the index, to which another refers. */
async function makeSigned(seed: string): Promise<Graph> {
  const base = await makeLayer('base')
  const layers = [base, await makeLayer(seed)]
  const [amd64, arm64] = await Promise.all([
    makeImage({ seed, layers }),
    makeImage({ seed, layers, platform: 'linux/arm64' }),
  ])
  const index = makeIndex([amd64, arm64, makeAttestation(amd64)])
  const note = makeArtifact({ subject: index, payload: `about ${seed}` })
  return withReferrers(index, withReferrers(note, makeArtifact({ subject: note, payload: `about that` })))
}
