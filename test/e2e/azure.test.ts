import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { bytesOf, madeFile, read as readAll } from '../contract/object-store-support.ts'
import { type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { describeWebsite } from '../contract/website.ts'
import { type Graph, makeArtifact, makeImage, makeIndex, withReferrers } from '../support/made-images.ts'
import { type MadeLayer, makeLayer } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { type AzureWebsite, bucketOf, startAzureWebsite } from './support/azure-website.ts'
import { type Azurite, startAzurite } from './support/azurite.ts'
import { createAuditor } from './support/object-store-audit.ts'
import { listBucket } from './support/object-store-listing.ts'
import { done, registrish } from './support/registrish.ts'
import type { RunResult } from './support/run.ts'
import { describeWith } from './support/suites.ts'

/** The flags that name the website of an account. */
function flagsOf({ account, endpoint }: Azurite): readonly string[] {
  return ['--azure', account, '--azure-endpoint', endpoint]
}

/** An account that `setup --apply` has made ready, and what serves it. */
async function startAccount(): Promise<{ readonly azurite: Azurite; readonly website: AzureWebsite }> {
  const azurite = await startAzurite()
  await done(['setup', ...flagsOf(azurite), '--apply'], { env: azurite.env })
  return { azurite, website: await startAzureWebsite(azurite.service) }
}

describeWith(['azurite-blob'], 'azurite and a website like that of Azure', () => {
  let root: string
  let tree: ServingTree
  let azurite: Azurite
  let website: AzureWebsite
  const deploy = (args: readonly string[] = []): Promise<RunResult> =>
    done(['deploy', '--root', root, ...flagsOf(azurite), ...args], { env: azurite.env })

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'rga-'))
    tree = writeServingTree(root)
    ;({ azurite, website } = await startAccount())
    await deploy()
  })
  afterAll(async () => {
    await website.close()
    await azurite.stop()
    await rm(root, { recursive: true, force: true })
  })

  test('every manifest is there by tag and digest, with its type, life and bytes', async () => {
    for (const { repository, tags, digests, mediaType, bytes } of tree.manifests) {
      for (const [reference, life] of [
        ...tags.map(tag => [tag, 'public, max-age=60, no-transform'] as const),
        ...digests.map(digest => [digest, 'public, max-age=31536000, immutable, no-transform'] as const),
      ]) {
        const path = `/v2/${repository}/manifests/${reference}`
        const { status, body, header } = await website.ask(path)
        expect(status, path).toBe(200)
        expect(body.equals(bytes), path).toBe(true)
        expect(header('content-type'), path).toBe(mediaType)
        expect(header('cache-control'), path).toBe(life)
        const head = await website.ask(path, { method: 'HEAD' })
        expect([head.status, head.header('content-length')], path).toEqual([200, String(bytes.length)])
      }
    }
  })

  test('every blob is there, whole and in part, its colon as it is or encoded', async () => {
    for (const { repository, digest, bytes } of tree.blobs) {
      for (const name of [digest, digest.replace(':', '%3A')]) {
        const { status, body, header } = await website.ask(`/v2/${repository}/blobs/${name}`)
        expect(status).toBe(200)
        expect(body.equals(bytes)).toBe(true)
        expect(header('content-type')).toBe('application/octet-stream')
      }
    }
    const { repository, digest, bytes } = tree.text
    const part = await website.ask(`/v2/${repository}/blobs/${digest}`, { headers: { range: 'bytes=3-9' } })
    expect(part.status).toBe(206)
    expect(part.body.equals(bytes.subarray(3, 10))).toBe(true)
  })

  test('the version check is answered with JSON', async () => {
    for (const path of ['/v2/', '/v2/index.json']) {
      const { body, header } = await website.ask(path)
      expect(JSON.parse(body.toString())).toEqual({})
      expect(header('content-type')).toBe('application/json')
    }
  })

  describeWebsite(() => ({ tree, ask: website.ask }))

  test('a second deploy writes nothing', async () => {
    const bucket = bucketOf(azurite.service.getContainerClient('$web'), website)
    const before = await listBucket(bucket)
    expect(before.size).toBeGreaterThan(100)
    expect([...before.keys()].filter(key => !key.startsWith('v2/'))).toEqual([])
    await deploy()
    // Azure gives a blob another etag whenever it is written, be it as it was.
    expect(await listBucket(bucket)).toEqual(before)
    const { exitCode } = await registrish(['plan', '--root', root, ...flagsOf(azurite), '--detailed-exitcode'], {
      env: azurite.env,
    })
    expect(exitCode).toBe(0)
  })

  test('deploy --url proves it through the website', async () => {
    const image = await makeImage({ layers: [await makeLayer('proven')], seed: 'proven' })
    await writeTree(root, 'proven', { latest: image })
    const { stdout, stderr } = await deploy(['--url', website.host, '--plain-http'])
    expect(stdout + stderr).toContain(`${website.host}/proven`)
    expect((await website.ask('/v2/proven/manifests/latest')).status).toBe(200)
  })

  test('setup does nothing the second time, and keeps what others have set', async () => {
    const cors = [
      {
        allowedOrigins: 'https://a.test',
        allowedMethods: 'GET',
        allowedHeaders: '',
        exposedHeaders: '',
        maxAgeInSeconds: 5,
      },
    ]
    await azurite.service.setProperties({ cors, staticWebsite: { enabled: false } })
    const lines: string[] = []
    for (const _ of [1, 2]) {
      const { stdout } = await done(['setup', ...flagsOf(azurite), '--apply'], { env: azurite.env })
      lines.push(...stdout.split('\n'))
    }
    expect(lines).toEqual([
      'website: switched on',
      'container: is there',
      'website: as it should be',
      'container: is there',
    ])
    expect(await azurite.service.getProperties()).toMatchObject({
      cors,
      staticWebsite: { enabled: true, indexDocument: 'index.json', errorDocument404Path: 'v2/_404.json' },
    })
  })

  test('a container that is not there is told with the command that makes it', async () => {
    const { exitCode, stderr } = await registrish(
      ['deploy', '--root', root, ...flagsOf(azurite), '--azure-container', 'absent'],
      { env: azurite.env },
    )
    expect(exitCode).toBe(5)
    expect(stderr).toContain(`az storage container create --account-name ${azurite.account} --name absent`)
  })

  test('without credentials it is said how to get some', async () => {
    const { exitCode, stderr } = await registrish(['deploy', '--root', root, ...flagsOf(azurite)])
    expect(exitCode).toBe(1)
    expect(stderr).toContain('npm install @azure/identity')
  })
})

/** Jobs at once: rounds in which two processes deploy partial trees. */
const ROUNDS = 5

describeWith(['azurite-blob'], 'jobs at once, azurite', () => {
  let azurite: Azurite
  let website: AzureWebsite
  beforeAll(async () => {
    ;({ azurite, website } = await startAccount())
  })
  afterAll(async () => {
    await website.close()
    await azurite.stop()
  })
  const audit = () => createAuditor(bucketOf(azurite.service.getContainerClient('$web'), website))()
  const deployTree = async (repository: string, content: Readonly<Record<string, Graph>>): Promise<RunResult> => {
    const root = await makeTemporaryFolder()
    await writeTree(root, repository, content)
    return registrish(['deploy', '--root', root, ...flagsOf(azurite)], { env: azurite.env })
  }

  test('partial trees become one', async () => {
    for (const repository of ['one', 'team/other']) {
      const image = await makeMulti(repository, await makeLayer('shared'))
      expect(await deployTree(repository, { latest: image })).toMatchObject({ exitCode: 0 })
    }
    const { complaints, tags } = await audit()
    expect(complaints).toEqual([])
    expect(Object.keys(tags).sort()).toEqual(['one', 'team/other'])
  })

  test(`two processes, one repository: ${ROUNDS} rounds, nothing is lost and nothing incomplete`, async () => {
    const base = await makeLayer('base')
    const subject = await makeMulti('subject', base)
    const names: string[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const jobs = ['a', 'b'].map(async who => {
        const name = `${who}-${round}`
        names.push(name)
        const signed = withReferrers(subject, makeArtifact({ subject, payload: name }))
        return deployTree('shared', {
          [name]: await makeMulti(name, base),
          subject: signed,
          moved: await makeMulti(name, base),
        })
      })
      const results = await Promise.all(jobs)
      const { complaints, tags, referrers } = await audit()
      const said = results.map(({ stdout, stderr }) => `${stdout}\n${stderr}`).join('\n')
      expect(
        results.map(({ exitCode }) => exitCode),
        said,
      ).toEqual([0, 0])
      expect(complaints, said).toEqual([])
      // Else it would be luck.
      expect(said).not.toMatch(/condition/)
      expect(Object.keys(tags['shared'] ?? {}).sort()).toEqual([...names, 'moved', 'subject'].sort())
      expect(referrers['shared']?.[subject.root.digest]).toHaveLength(2 * (round + 1))
    }
  })

  test('two uploads of one large blob at once: both end well, and it is right', async () => {
    const container = await azurite.addContainer('large')
    const stores = await Promise.all([1, 2, 3].map(() => azurite.open(container)))
    onTestFinished(async () => void (await Promise.all(stores.map(store => store.close()))))
    const bytes = bytesOf(30 * 1024 * 1024)
    const object = await madeFile('v2/app/blobs/large', bytes)
    const etags = await Promise.all(stores.map(store => store.put(object)))
    expect(etags).toEqual(stores.map(() => expect.any(String)))
    for (const store of stores) expect((await readAll(store, object.key))?.equals(bytes)).toBe(true)
  })
})

async function makeMulti(seed: string, base: MadeLayer): Promise<Graph> {
  const layers = [base, await makeLayer(seed)]
  return makeIndex(
    await Promise.all(['linux/amd64', 'linux/arm64'].map(platform => makeImage({ platform, layers, seed }))),
  )
}
