import { linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { digestOf } from '../contract/tree-by-hand.ts'
import { makeImage, makeIndex, rootBytes } from '../support/made-images.ts'
import { writeTree } from '../support/write-images.ts'
import { MAPPED_SERVERS } from './support/mapped-servers.ts'
import { createPullingClient, type PullingClient } from './support/pulling-client.ts'
import type { Hosted } from './support/registrish.ts'
import { run } from './support/run.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'
import { WEB_SERVERS } from './support/web-servers.ts'

/* One repository with 10,000 tags and 200 others: nothing is left out of a list, cut off or slow to start. */

const NAME = 'team/many'
const TAGS: readonly string[] = Array.from(
  { length: 10_000 },
  (_, number) => `1.${number}-${number % 3 === 0 ? 'rc' : 'RC'}1`,
).sort()
const OTHERS: readonly string[] = Array.from({ length: 200 }, (_, number) => `other/r${number}`)
/** First, last, and some between. */
const SAMPLE: readonly string[] = TAGS.filter((_, position) => position % 487 === 0 || position === TAGS.length - 1)

const SERVERS = [...WEB_SERVERS, ...MAPPED_SERVERS]

describeWith([...new Set(SERVERS.flatMap(({ needs }) => needs)), 'crane', 'skopeo'], '10,000 tags', () => {
  let root: string
  let manifests: readonly Buffer[]
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'rgt-'))
    manifests = await writeMany(root)
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  for (const { name, start } of SERVERS) {
    it(`${name} answers by tag and digest, and every list whole`, async () => {
      const server = await start(root)
      const client = createPullingClient(server.url)
      try {
        await checkManifests(client, manifests)
        await checkLists(client)
        await checkClients(server)
      } finally {
        client.close()
        await server.close()
      }
    })
  }
})

async function checkManifests(client: PullingClient, manifests: readonly Buffer[]): Promise<void> {
  for (const tag of SAMPLE) {
    const bytes = manifestOf(tag, manifests)
    for (const reference of [tag, digestOf(bytes)]) {
      const answer = await client.send(`/v2/${NAME}/manifests/${reference}`)
      expect(answer.status, reference).toBe(200)
      expect(answer.body.equals(bytes), reference).toBe(true)
      expect(answer.headers['docker-content-digest']).toBe(digestOf(bytes))
      expect(answer.headers['content-type']).toBe(JSON.parse(bytes.toString()).mediaType)
    }
  }
  for (const other of OTHERS) expect((await client.send(`/v2/${other}/manifests/latest`)).status, other).toBe(200)
  expect((await client.send(`/v2/${NAME}/manifests/1.10000-rc1`)).status).toBe(404)
}

async function checkLists(client: PullingClient): Promise<void> {
  const read = async (path: string): Promise<unknown> => {
    const answer = await client.send(path)
    expect(answer.status, path).toBe(200)
    return JSON.parse(answer.body.toString())
  }
  expect(await read(`/v2/${NAME}/tags/list`)).toEqual({ name: NAME, tags: TAGS })
  for (const last of SAMPLE) {
    const { tags } = (await read(`/v2/${NAME}/tags/list?last=${last}`)) as { readonly tags: readonly string[] }
    // One comparison of two texts: thousands of tags that differ are no help.
    expect(
      tags.join(' ') === TAGS.slice(TAGS.indexOf(last) + 1).join(' '),
      `the tags after ${last}: ${tags.length}`,
    ).toBe(true)
  }
  expect(await read('/v2/_catalog')).toEqual({ repositories: [...OTHERS, NAME].sort() })
}

async function checkClients({ host }: Hosted): Promise<void> {
  const crane = await run(toolPath('crane'), ['ls', '--insecure', `${host}/${NAME}`])
  expect(crane.stdout.split('\n').sort()).toEqual(TAGS)
  const skopeo = await run(toolPath('skopeo'), ['list-tags', '--tls-verify=false', `docker://${host}/${NAME}`])
  expect([...(JSON.parse(skopeo.stdout) as { readonly Tags: readonly string[] }).Tags].sort()).toEqual(TAGS)
}

/** Some manifests of both kinds, and hard links for all else, as a fetch makes them. */
async function writeMany(root: string): Promise<readonly Buffer[]> {
  const graphs = await Promise.all(
    Array.from({ length: 20 }, async (_, number) => {
      const image = await makeImage({ seed: `many-${number}` })
      return number % 2 === 0 ? image : makeIndex([image], { docker: true })
    }),
  )
  await writeTree(root, NAME, Object.fromEntries(graphs.map((graph, number) => [`.${number}`, graph])))
  const manifests = graphs.map(graph => Buffer.from(rootBytes(graph)))
  const folder = join(root, 'v2', NAME, 'manifests')
  for (const number of manifests.keys()) rmSync(join(folder, `.${number}`))
  for (const tag of TAGS) linkSync(join(folder, digestOf(manifestOf(tag, manifests))), join(folder, tag))
  const [first] = manifests
  if (first === undefined) throw new Error('no manifest')
  for (const other of OTHERS) linkImage(root, { from: NAME, to: other, manifest: first })
  return manifests
}

function manifestOf(tag: string, manifests: readonly Buffer[]): Buffer {
  return manifests[TAGS.indexOf(tag) % manifests.length] ?? Buffer.alloc(0)
}

function linkImage(
  root: string,
  { from, to, manifest }: { readonly from: string; readonly to: string; readonly manifest: Buffer },
): void {
  const { config, layers } = JSON.parse(manifest.toString()) as {
    readonly config: { readonly digest: string }
    readonly layers: readonly { readonly digest: string }[]
  }
  const file = (repository: string, path: string): string => join(root, 'v2', repository, path)
  mkdirSync(file(to, 'manifests'), { recursive: true })
  mkdirSync(file(to, 'blobs'))
  const named = `manifests/${digestOf(manifest)}`
  for (const path of ['manifests/latest', named]) linkSync(file(from, named), file(to, path))
  for (const { digest } of [config, ...layers]) linkSync(file(from, `blobs/${digest}`), file(to, `blobs/${digest}`))
}
