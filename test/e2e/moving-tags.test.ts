import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { type Graph, makeImage, makeIndex } from '../support/made-images.ts'
import { writeTree } from '../support/write-images.ts'
import { know } from './support/judge-answer.ts'
import { MAPPED_SERVERS } from './support/mapped-servers.ts'
import { createPullingClient } from './support/pulling-client.ts'
import { describeWith } from './support/suites.ts'
import { moveUnderLoad } from './support/tag-load.ts'
import { WEB_SERVERS } from './support/web-servers.ts'
import { WEB_SPACE } from './support/web-space.ts'

/* A tag moves under load between manifests of other types and sizes: no client ever sees bytes and headers that disagree. */

const REPOSITORY = 'team/app'
const CLIENTS = 8
const LEAST = { requests: 4000, moves: 100, pulls: 20 } as const

for (const { name, needs, start } of [...WEB_SERVERS, ...MAPPED_SERVERS, WEB_SPACE]) {
  describeWith([...needs, 'crane'], `${name}, while a tag moves`, () => {
    it('every answer agrees with itself, and crane pulls', async () => {
      const root = await mkdtemp(join(tmpdir(), 'rgm-'))
      onTestFinished(() => rm(root, { recursive: true, force: true }))
      const graphs = await makeImages()
      await writeTree(root, REPOSITORY, graphs)
      const images = Object.values(graphs).map(know)
      expect(new Set(images.map(({ mediaType }) => mediaType)).size).toBe(images.length)
      expect(new Set(images.map(({ bytes }) => bytes.length)).size).toBe(images.length)
      const server = await start(root)
      onTestFinished(server.close)
      const clients = Array.from({ length: CLIENTS }, () => createPullingClient(server.url))
      onTestFinished(() => {
        for (const client of clients) client.close()
      })

      const load = { root, repository: REPOSITORY, tag: 'latest', images, server, clients, least: LEAST }
      const { wrong, ...counts } = await moveUnderLoad(load)
      expect(wrong).toEqual([])
      const summary = JSON.stringify(counts)
      expect(counts.moves, summary).toBeGreaterThanOrEqual(LEAST.moves)
      expect(counts.seen, summary).toBeGreaterThanOrEqual(LEAST.moves)
      const reused = clients.reduce((sum, client) => sum + client.reused(), 0)
      expect(reused / counts.requests, 'connections were kept').toBeGreaterThan(0.8)
    })
  })
}

/** Two images by tag: `latest` is the first, of one platform; the other is Docker's list of two. */
async function makeImages(): Promise<Readonly<Record<string, Graph>>> {
  const list = await Promise.all(
    ['linux/amd64', 'linux/arm64'].map(platform => makeImage({ platform, docker: true, layers: 3, seed: 'list' })),
  )
  return { latest: await makeImage({ seed: 'single' }), other: makeIndex(list, { docker: true }) }
}
