import { setTimeout as delay } from 'node:timers/promises'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDeletions } from '../../src/deploy/deletions-record.ts'
import { type Graph, makeArtifact, makeImage, makeIndex, mediaTypeOf, withReferrers } from '../support/made-images.ts'
import { type MadeLayer, makeLayer } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { createRandom } from './support/kills.ts'
import { type Audit, createAuditor } from './support/object-store-audit.ts'
import { changedKeys, listBucket } from './support/object-store-listing.ts'
import { type ObjectStoreServer, type PublicBucket, startObjectStore } from './support/object-stores.ts'
import { registrish } from './support/registrish.ts'
import type { RunResult } from './support/run.ts'
import { describeWith } from './support/suites.ts'

/* Jobs that deploy to one bucket at once, as real processes with partial trees, judged by what anyone can read from the store afterwards. */

const ROUNDS = 20
/** Milliseconds by which the second of two jobs begins later, at most. */
const LATEST = 150

/** Milliseconds that all rounds of a race may take; each starts processes two or three times. */
const TIMEOUT = 600_000

/** What a job has: images by tag in the one repository of its tree. */
type Content = Readonly<Record<string, Graph>>

/** What happens in a round, and what must be there after it beside what was there before. */
interface Round {
  readonly jobs: readonly [Content, Content]
  readonly judge: (audit: Audit, results: readonly [RunResult, RunResult]) => void
}

interface Race {
  readonly name: string
  readonly repository: string
  readonly play: (number: number, base: MadeLayer) => Promise<Round>
}

const RACES: readonly Race[] = [
  {
    name: 'different tags of one repository',
    repository: 'shared',
    async play(number, base) {
      const [one, other] = await Promise.all([makeMulti(`one-${number}`, base), makeMulti(`other-${number}`, base)])
      return {
        jobs: [{ [`one-${number}`]: one }, { [`other-${number}`]: other }],
        judge({ tags }, results) {
          expectSuccess(results)
          const rounds = Array.from({ length: number + 1 }, (_, at) => [`one-${at}`, `other-${at}`]).flat()
          expect(Object.keys(tags['shared'] ?? {}).sort()).toEqual(rounds.sort())
          expect(tags['shared']).toMatchObject({
            [`one-${number}`]: one.root.digest,
            [`other-${number}`]: other.root.digest,
          })
        },
      }
    },
  },
  {
    name: 'referrers of one image',
    repository: 'signed',
    async play(number, base) {
      const subject = await makeMulti('subject', base)
      const refer = (who: string, at: number): Graph => makeArtifact({ subject, payload: `${who} ${at}` })
      const tree = (who: string): Content => ({ latest: withReferrers(subject, refer(who, number)) })
      return {
        jobs: [tree('one'), tree('other')],
        judge({ referrers }, results) {
          expectSuccess(results)
          const rounds = Array.from({ length: number + 1 }, (_, at) => [refer('one', at), refer('other', at)]).flat()
          expect(referrers['signed']).toEqual({ [subject.root.digest]: rounds.map(({ root }) => root.digest).sort() })
        },
      }
    },
  },
  {
    name: 'one tag',
    repository: 'moved',
    async play(number, base) {
      const [one, other] = await Promise.all([makeMulti(`one-${number}`, base), makeMulti(`other-${number}`, base)])
      return {
        jobs: [{ latest: one }, { latest: other }],
        judge({ tags, listing }, results) {
          expectSuccess(results)
          expect([one.root.digest, other.root.digest]).toContain(tags['moved']?.['latest'])
          for (const { manifests, blobs } of [one, other]) {
            for (const digest of manifests.keys()) expect(listing.has(`v2/moved/manifests/${digest}`)).toBe(true)
            for (const digest of blobs.keys()) expect(listing.has(`v2/moved/blobs/${digest}`)).toBe(true)
          }
        },
      }
    },
  },
]

for (const kind of ['versitygw', 'minio'] as const) {
  describeWith([kind], `jobs at once, ${kind}`, () => {
    let server: ObjectStoreServer
    beforeAll(async () => {
      server = await startObjectStore(kind)
    })
    afterAll(() => server.stop())

    it.each(RACES)(
      `$name: ${ROUNDS} rounds, nothing is lost and nothing incomplete`,
      { timeout: TIMEOUT },
      async race => {
        const random = createRandom(`${kind}, ${race.name}`)
        const bucket = await server.addBucket(`race-${race.repository}`)
        const audit = createAuditor(bucket)
        const base = await makeLayer('base')
        for (let number = 0; number < ROUNDS; number++) {
          const { jobs, judge } = await race.play(number, base)
          const [one, other] = await Promise.all(jobs.map(job => makeJobTree(race.repository, job)))
          const results = await Promise.all([
            deploy(server, bucket, { root: one }),
            delay(random.next() * LATEST).then(() => deploy(server, bucket, { root: other })),
          ])
          const found = await audit()
          expect(found.complaints.join('\n'), explain(number, results)).toBe('')
          judge(found, results)
        }
      },
    )

    it(`what is to be deleted and what is relied on: ${ROUNDS} rounds, no tag is left without what it names`, {
      timeout: TIMEOUT,
    }, async () => {
      const random = createRandom(`${kind}, prune`)
      const bucket = await server.addBucket('race-pruned')
      const audit = createAuditor(bucket)
      const base = await makeLayer('base')
      const pruner = await makeJobTree('pruned', { keep: await makeMulti('keep', base) })
      const args = ['--prune', '--force']
      expectSuccess([await deploy(server, bucket, { root: pruner })])
      let kept = 0
      for (let number = 0; number < ROUNDS; number++) {
        const image = await makeMulti(`image-${number}`, await makeLayer(`base-${number}`))
        const root = await makeJobTree('pruned', { [`r${number}`]: image })
        await leaveForDeletion(server, bucket, { repository: 'pruned', image })
        const later = delay(random.next() * LATEST)
        const [first, second] = number % 2 === 0 ? [Promise.resolve(), later] : [later, Promise.resolve()]
        const results = await Promise.all([
          first.then(() => deploy(server, bucket, { root })),
          second.then(() => deploy(server, bucket, { root: pruner, args })),
        ])
        const found = await audit()
        expect(found.complaints.join('\n'), explain(number, results)).toBe('')
        expectSuccess(results)
        const tags = Object.keys(found.tags['pruned'] ?? {})
        expect(['keep', `r${number}`]).toEqual(expect.arrayContaining(tags))
        if (tags.length === 2) kept += 1
        const again = await deploy(server, bucket, { root })
        expectSuccess([again])
        const last = await audit()
        expect(last.complaints.join('\n'), explain(number, [...results, again])).toBe('')
        expect(last.tags['pruned']).toMatchObject({ [`r${number}`]: image.root.digest })
      }
      process.stderr.write(`${kind}, prune: in ${kept} of ${ROUNDS} rounds the tag was there afterwards\n`)
    })

    it('a job with one image adds it to a thousand, and nothing else changes', async () => {
      const bucket = await server.addBucket('thousand')
      const audit = createAuditor(bucket)
      const all = await makeTemporaryFolder()
      const base = await makeLayer('base')
      for (let repository = 0; repository < 50; repository++) {
        const images = Array.from({ length: 20 }, async (_, at) => {
          const layers = [base, await makeLayer(`image-${repository}-${at}`)]
          return [`t${at}`, await makeImage({ layers, seed: `${repository}-${at}` })] as const
        })
        await writeTree(all, `group/r${repository}`, Object.fromEntries(await Promise.all(images)))
      }
      expectSuccess([await deploy(server, bucket, { root: all })])
      expect((await audit()).complaints).toEqual([])
      const before = await listBucket(bucket)
      const image = await makeImage({ layers: [base, await makeLayer('new')], seed: 'new' })
      const signed = withReferrers(image, makeArtifact({ subject: image, payload: 'signed' }))
      for (const repository of ['group/r7', 'group/new']) {
        const root = await makeJobTree(repository, { added: signed })
        expectSuccess([await deploy(server, bucket, { root })])
      }
      const after = await audit()
      expect(after.complaints).toEqual([])
      expect(after.referrers['group/r7']).toEqual(after.referrers['group/new'])
      expect(Object.keys(after.tags)).toHaveLength(51)
      expect(Object.keys(after.tags['group/r7'] ?? {})).toHaveLength(21)
      const changed = changedKeys(before, await listBucket(bucket))
      const isNew = changed.filter(key => !before.has(key))
      expect(changed.filter(key => before.has(key))).toEqual(['v2/_catalog', 'v2/group/r7/tags/list'])
      expect(isNew.filter(key => !/^v2\/group\/(?:r7|new)\//.test(key))).toEqual([])
      // Image and artifact, the list of referrers under its tag and digest, the tag; a config and a layer for each, the base being there.
      expect(
        isNew
          .filter(key => key.startsWith('v2/group/r7/'))
          .map(kindOf)
          .sort(),
      ).toEqual([
        ...Array.from({ length: 4 }, () => 'blobs'),
        ...Array.from({ length: 5 }, () => 'manifests'),
        'referrers',
      ])
    })
  })
}

/** Puts an image there that no tag names, and records its objects for deletion as if that had been long ago. */
async function leaveForDeletion(
  { client }: ObjectStoreServer,
  bucket: PublicBucket,
  { repository, image }: { readonly repository: string; readonly image: Graph },
): Promise<void> {
  const objects = [
    ...[...image.blobs].map(([digest, bytes]) => [`blobs/${digest}`, bytes, 'application/octet-stream'] as const),
    ...[...image.manifests].map(([digest, bytes]) => [`manifests/${digest}`, bytes, mediaTypeOf(bytes)] as const),
  ].map(([name, Body, ContentType]) => ({ Key: `v2/${repository}/${name}`, Body, ContentType }))
  for (const object of objects) await client.send(new PutObjectCommand({ Bucket: bucket.bucket, ...object }))
  const store = await bucket.open()
  try {
    await openDeletions(store).change(deletions => ({
      next: {
        ...deletions,
        unreferenced: [
          { since: store.now() - LONG_AGO, keys: objects.map(({ Key }) => Key) },
          ...deletions.unreferenced,
        ],
      },
      result: undefined,
    }))
  } finally {
    await store.close()
  }
}

/** Milliseconds, more than any grace. */
const LONG_AGO = 48 * 3_600_000

function kindOf(key: string): string {
  return key.split('/').at(-2) ?? ''
}

async function makeMulti(seed: string, base: MadeLayer): Promise<Graph> {
  const layers = [base, await makeLayer(seed)]
  return makeIndex(
    await Promise.all(['linux/amd64', 'linux/arm64'].map(platform => makeImage({ platform, layers, seed }))),
  )
}

async function makeJobTree(repository: string, content: Content): Promise<string> {
  const root = await makeTemporaryFolder()
  await writeTree(root, repository, content)
  return root
}

function deploy(
  { endpoint, env }: ObjectStoreServer,
  { bucket }: PublicBucket,
  { root = '', args = [] }: { readonly root?: string | undefined; readonly args?: readonly string[] },
): Promise<RunResult> {
  return registrish(['deploy', '--root', root, '--s3', bucket, '--s3-endpoint', endpoint, ...args], { env })
}

function expectSuccess(results: readonly RunResult[]): void {
  expect(
    results.map(({ exitCode }) => exitCode),
    explain(0, results),
  ).toEqual(results.map(() => 0))
}

function explain(number: number, results: readonly RunResult[]): string {
  return [
    `round ${number}`,
    ...results.map(({ exitCode, stdout, stderr }) => `${exitCode}\n${stdout}\n${stderr}`),
  ].join('\n')
}
