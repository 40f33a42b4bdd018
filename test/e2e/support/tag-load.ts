import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { refreshHosts } from '../../../src/emit/apply.ts'
import { parseDigest } from '../../../src/oci/digest.ts'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../../src/tree/documents.ts'
import { type Asked, judgeAnswer, type Known } from './judge-answer.ts'
import type { PullingClient } from './pulling-client.ts'
import type { Hosted } from './registrish.ts'
import { run } from './run.ts'
import { toolPath } from './tools.ts'

/** A server whose tag moves, and those who pull it meanwhile. */
export interface TagLoad {
  readonly root: string
  readonly repository: string
  readonly tag: string
  /** The tag goes from one to the next and round again. */
  readonly images: readonly Known[]
  readonly server: Hosted
  readonly clients: readonly PullingClient[]
  /** How much must happen at least; nothing is measured in time. */
  readonly least: Pick<LoadCounts, 'requests' | 'moves' | 'pulls'>
}

/** What happened. */
export interface LoadCounts {
  requests: number
  moves: number
  /** How often a client's answer named another digest than the one before. */
  seen: number
  /** Pulls with crane. */
  pulls: number
  /** What was wrong in answers; it ends at the first. */
  readonly wrong: string[]
}

/** Never a manifest of a tree. */
const NOTHING = `sha256:${'e'.repeat(64)}`

/** Moves the tag as `fetch` does while all clients pull it as fast as they can, until enough of everything has happened or an answer was wrong. */
export async function moveUnderLoad(load: TagLoad): Promise<LoadCounts> {
  const counts: LoadCounts = { requests: 0, moves: 0, seen: 0, pulls: 0, wrong: [] }
  const failed = new AbortController()
  const isOver = (): boolean =>
    failed.signal.aborted ||
    counts.wrong.length > 0 ||
    (counts.requests >= load.least.requests && counts.moves >= load.least.moves && counts.pulls >= load.least.pulls)
  const work = [moveTag(load, counts, isOver), pullWithCrane(load, counts, isOver)]
  for (const client of load.clients) work.push(pullAll(load, client, { counts, isOver }))
  const ends = await Promise.allSettled(
    work.map(part =>
      part.catch((error: unknown) => {
        failed.abort()
        throw error
      }),
    ),
  )
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return counts
}

async function pullAll(
  { repository, tag, images }: TagLoad,
  client: PullingClient,
  { counts, isOver }: { readonly counts: LoadCounts; readonly isOver: () => boolean },
): Promise<void> {
  const plain: readonly Asked[] = [{ method: 'GET' }, { method: 'HEAD' }]
  const conditional = [...images.map(({ digest }) => digest), NOTHING].map(
    (unless): Asked => ({ method: 'GET', unless }),
  )
  const questions = [...plain, ...conditional]
  let before: unknown
  for (let turn = 0; !isOver(); turn++) {
    const asked = questions[turn % questions.length] ?? { method: 'GET' }
    const headers = asked.unless === undefined ? {} : { 'If-None-Match': `"${asked.unless}"` }
    const answer = await client.send(`/v2/${repository}/manifests/${tag}`, { method: asked.method, headers })
    const complaint = judgeAnswer(answer, images, asked)
    if (complaint !== undefined) counts.wrong.push(complaint)
    const named = answer.headers['docker-content-digest']
    if (turn > 0 && named !== before) counts.seen += 1
    before = named
    counts.requests += 1
  }
}

async function moveTag(
  { root, repository, tag, images, server }: TagLoad,
  counts: LoadCounts,
  isOver: () => boolean,
): Promise<void> {
  const tree = openTree(root)
  for (let turn = 1; !isOver(); turn++) {
    const { digest } = images[turn % images.length] ?? { digest: '' }
    if (await tree.tag(repository, tag, parseDigest(digest))) counts.moves += 1
    await rebuildDocuments(root, [repository])
    const [host] = await refreshHosts(tree, { repositories: [repository] })
    if (host?.reload !== undefined) await server.reload?.()
    await setImmediate()
  }
}

/** A real client: by tag, then all that the manifest names. */
async function pullWithCrane(
  { repository, tag, images, server, least }: TagLoad,
  counts: LoadCounts,
  isOver: () => boolean,
): Promise<void> {
  const image = `${server.host}/${repository}:${tag}`
  const folder = await mkdtemp(join(tmpdir(), 'rgm-'))
  try {
    while (!isOver() && counts.pulls < least.pulls) {
      const { stdout } = await run(toolPath('crane'), ['digest', '--insecure', image])
      if (!images.some(({ digest }) => digest === stdout)) counts.wrong.push(`crane digest says ${stdout}`)
      await run(toolPath('crane'), ['pull', '--insecure', image, join(folder, 'image.tar')])
      counts.pulls += 1
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
