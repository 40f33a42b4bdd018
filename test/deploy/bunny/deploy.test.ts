import { expect, test, vi } from 'vitest'
import { deployTree, planDeploy } from '../../../src/deploy/deploy.ts'
import type { DeployOptions } from '../../../src/deploy/report.ts'
import type { ProgressEvent } from '../../../src/progress.ts'
import { makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../../support/made-images.ts'
import { type Images, makeTree } from '../support/trees.ts'
import { startStore } from './support.ts'

vi.mock('node:timers/promises', async load => (await import('../support/quick-sleep.ts')).replaceSleep(await load()))

async function makeImages(): Promise<Images> {
  const image = await makeImage({ seed: 'one' })
  return {
    app: { latest: withReferrers(image, makeArtifact({ subject: image, payload: 'sig' })), '1.0.gz': image },
    'team/multi': { latest: await makeMultiPlatform({ seed: 'two' }) },
  }
}

type Started = Awaited<ReturnType<typeof startStore>>

async function deploy(
  { store, server }: Started,
  images: Images,
  options: DeployOptions = {},
): Promise<readonly string[]> {
  const events: ProgressEvent[] = []
  server.log.splice(0)
  await deployTree(await makeTree(images), store, { ...options, onProgress: event => events.push(event) })
  return events.flatMap(event => (event.type === 'note' ? [event.text] : []))
}

const written = ({ server }: Started): readonly string[] => server.log.filter(line => /^(?:put|delete) /.test(line))

test('says that conditions are not kept, and keeps types', async () => {
  const started = await startStore()
  const images = await makeImages()
  expect((await deploy(started, images)).join('\n')).toMatch(/condition/)
  const { files } = started.server
  const { root } = images['app']?.['1.0.gz'] ?? {}
  expect(files.get('v2/app/manifests/1.0.gz')?.contentType).toBe(root?.mediaType)
  expect(files.get('v2/index.html')).toMatchObject({ contentType: 'application/json' })
  expect(files.get('v2/index.html')?.bytes).toHaveLength(0)
  expect(files.get('v2/_404.json')).toBeDefined()
})

test.each([{}, { checkHeaders: true }])('a second deploy writes nothing: %j', async (options: DeployOptions) => {
  const started = await startStore()
  const images = await makeImages()
  await deploy(started, images)
  await deploy(started, images, options)
  expect(written(started)).toEqual([])
  // What a listing says of tags and documents is enough, but for the catalogue and what is to be deleted.
  const read = started.server.log.filter(line => line.startsWith('get ') && !/_catalog|deletions/.test(line))
  if (options.checkHeaders !== true) expect(read).toEqual([])
})

test.each(['index.html', 'index.html/app'])(
  'a repository %s is refused by its name before anything is sent',
  async name => {
    const { store, server } = await startStore()
    const tree = await makeTree({ ...(await makeImages()), [name]: { latest: await makeImage({ seed: 'index' }) } })
    const text = `bunny://zone cannot hold the images of ${name}: v2/index.html is the file that answers v2/ there`
    const { problems } = await planDeploy(tree, store)
    expect(problems).toEqual([{ level: 'refuse', code: 'limit', text, hint: expect.stringContaining('--as') }])
    await expect(deployTree(tree, store)).rejects.toMatchObject({ code: 'limit', side: 'target', message: text })
    expect(server.files.size).toBe(0)
  },
)

test('another tree adds its images, and takes none away', async () => {
  const started = await startStore()
  await deploy(started, await makeImages())
  const before = new Map(started.server.files)
  await deploy(started, {
    app: { edge: await makeImage({ seed: 'three' }) },
    other: { v1: await makeImage({ seed: 'four' }) },
  })
  const { files } = started.server
  const changed = [...before]
    .filter(([key, { bytes }]) => files.get(key)?.bytes.equals(bytes) !== true)
    .map(([key]) => key)
  expect(changed.filter(key => !key.startsWith('.registrish/')).sort()).toEqual(['v2/_catalog', 'v2/app/tags/list'])
  expect(JSON.parse(String(files.get('v2/_catalog')?.bytes))).toEqual({ repositories: ['app', 'other', 'team/multi'] })
})

test('pruning deletes files, never folders', async () => {
  const started = await startStore()
  const images = await makeImages()
  await deploy(started, { ...images, gone: { v1: await makeImage({ seed: 'gone' }) } })
  await deploy(started, images, { prune: true, force: true })
  expect(started.server.files.has('v2/gone/manifests/v1')).toBe(false)
  expect(started.server.files.has('v2/app/manifests/latest')).toBe(true)
  expect(started.server.deletedFolders).toEqual([])
})
