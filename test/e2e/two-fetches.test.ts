import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openTree } from '../../src/tree/disk-tree.ts'
import { readOrigin } from '../../src/tree/origin.ts'
import { type Graph, makeImage } from '../support/made-images.ts'
import { makeBlob, makeLayer } from '../support/made-layers.ts'
import { createGate, type Gate } from '../support/memory-faults.ts'
import { only } from '../support/registry-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type Hook, startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { pollUntil } from './support/poll.ts'
import { done, registrish, startRegistrish } from './support/registrish.ts'
import { describeWith } from './support/suites.ts'
import { expectClean, stateOf } from './support/tree-state.ts'

/* Two runs of the command line at once into one tree; gates in the registry hold both until they are in the middle. */

describeWith([], 'two fetches at once into one tree', () => {
  it('of the same image: each blob is transferred once, and both are done', async () => {
    const image = await makeImage({ layers: 4 })
    const registry = await startGated({ app: { latest: image } }, 2)
    const root = await makeTemporaryFolder()
    const fetch = ['fetch', `${registry.host}/app`, '--root', root]
    await Promise.all([done(fetch), done(fetch)])
    expect(
      registry.lines().filter(line => line.includes('/manifests/latest')),
      'each asks once',
    ).toHaveLength(2)
    expect(blobsSent(registry)).toEqual([...image.blobs.keys()].sort())
    await expectSame(root, fetch)
  })

  it('of images that share layers: each shared layer is transferred once', async () => {
    const shared = await Promise.all(
      [1, 2, 3].map(async at => makeLayer([{ name: 'f', content: makeBlob(9999, `${at}`) }])),
    )
    const images = await Promise.all(
      ['one', 'two'].map(async seed => makeImage({ seed, layers: [...shared, await makeLayer(seed)] })),
    )
    const [one, two] = images
    if (one === undefined || two === undefined) throw new Error('no image')
    const registry = await startGated({ app: { one }, other: { two } }, 2)
    const root = await makeTemporaryFolder()
    await Promise.all([
      done(['fetch', `${registry.host}/app`, 'one', '--root', root]),
      done(['fetch', `${registry.host}/other`, 'two', '--root', root]),
    ])
    expect(blobsSent(registry)).toEqual([...new Set(images.flatMap(({ blobs }) => [...blobs.keys()]))].sort())
    await expectClean(root)
    for (const [repository, tag, image] of [
      ['app', 'one', one],
      ['other', 'two', two],
    ] as const) {
      expect(await tagsListed(root, repository)).toEqual([tag])
      expect((await openTree(root).manifest(repository, tag))?.digest).toBe(image.root.digest)
    }
  })

  it('of a tag that moves between them: both images are whole, and the tag names one of them', async () => {
    const [old, now] = [await makeImage({ seed: 'old' }), await makeImage({ seed: 'now' })]
    const registry = await startGated({ app: { latest: old } }, 2, first => {
      if (first) registry.put('app', 'latest', now)
    })
    const root = await makeTemporaryFolder()
    const fetch = ['fetch', `${registry.host}/app`, '--root', root]
    await Promise.all([done(fetch), done(fetch)])
    await expectClean(root)
    const tree = openTree(root)
    expect([old.root.digest, now.root.digest]).toContain((await tree.manifest('app', 'latest'))?.digest)
    for (const {
      root: { digest },
    } of [old, now])
      expect((await tree.manifest('app', digest))?.digest).toBe(digest)
    await done(fetch)
    expect((await tree.manifest('app', 'latest'))?.digest).toBe(now.root.digest)
  })

  it('from two upstreams into one new repository: one is refused, nothing of it is there', async () => {
    const gate = createMeeting(2)
    const images = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    const rivals = await Promise.all(images.map(image => startMeeting({ app: { latest: image } }, gate)))
    const root = await makeTemporaryFolder()
    const ends = await Promise.all(rivals.map(({ host }) => registrish(['fetch', `${host}/app`, '--root', root])))
    expect(ends.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1])
    const winner = ends.findIndex(({ exitCode }) => exitCode === 0)
    const [mine, other] = [rivals[winner], rivals[1 - winner]]
    expect(ends[1 - winner]?.stderr).toMatch(
      new RegExp(
        `registrish: app in this tree was fetched from ${mine?.host}/app, not from ${other?.host}/app\n .*--as`,
      ),
    )
    expect((await readOrigin(root, 'app')).upstream).toBe(`${mine?.host}/app`)
    await expectSame(root, ['fetch', `${mine?.host}/app`])
  })

  it('from two upstreams, of which the first is killed before its image is whole: the other gets the repository', async () => {
    const gate = createGate()
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    const stuck = await startHeld({ app: { latest: one } }, gate)
    const other = await startTestRegistry({ repositories: { app: { latest: two } } })
    onTestFinished(() => other.close())
    const root = await makeTemporaryFolder()
    const child = startRegistrish(['fetch', `${stuck.host}/app`, '--root', root])
    await pollUntil(() => stuck.log.some(({ path }) => path.includes('/blobs/')))
    child.kill('SIGKILL')
    const fetch = ['fetch', `${other.host}/app`, '--root', root]
    expect((await done(fetch)).stderr).not.toContain('waiting for')
    await expectSame(root, fetch)
    expect((await readOrigin(root, 'app')).upstream).toBe(`${other.host}/app`)
  })

  it('by digest, and killed when one is there: prune keeps it', async () => {
    const gate = createGate()
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    const held = new RegExp([...two.blobs.keys()].join('|'))
    const registry = await startHeld({ app: { one, two } }, gate, held)
    const root = await makeTemporaryFolder()
    const digests = [one.root.digest, two.root.digest]
    const child = startRegistrish(['fetch', `${registry.host}/app`, ...digests, '--root', root])
    await pollUntil(async () => (await openTree(root).manifest('app', one.root.digest)) !== undefined)
    child.kill('SIGKILL')
    await done(['prune', '--root', root])
    await expectClean(root)
    expect((await openTree(root).manifest('app', one.root.digest))?.digest).toBe(one.root.digest)
    for (const [digest, { length }] of one.blobs) expect(await openTree(root).blobSize('app', digest)).toBe(length)
  })
})

type Repositories = Readonly<Record<string, Readonly<Record<string, Graph>>>>

/** A registry that gives no blob before so many clients have asked for a manifest by tag; `asked` is told of each, once it is answered. */
async function startGated(
  repositories: Repositories,
  clients: number,
  asked: (first: boolean) => void = () => {},
): Promise<TestRegistry> {
  return startMeeting(repositories, createMeeting(clients, asked))
}

/** Where so many have to arrive before any goes on. */
interface Meeting {
  arrive(): void
  readonly all: Promise<void>
}

function createMeeting(count: number, arrived: (first: boolean) => void = () => {}): Meeting {
  const gate = createGate()
  let there = 0
  return {
    all: gate.opened,
    arrive() {
      there += 1
      arrived(there === 1)
      if (there === count) gate.open()
    },
  }
}

async function startMeeting(repositories: Repositories, meeting: Meeting): Promise<TestRegistry> {
  const hooks: readonly Hook[] = [
    only(/^(?:GET|HEAD) .*\/manifests\/[^:]+$/, async (request, next) => {
      const answer = await next(request)
      meeting.arrive()
      return answer
    }),
    only(/^GET .*\/blobs\//, async (request, next) => {
      await meeting.all
      return next(request)
    }),
  ]
  const registry = await startTestRegistry({ repositories, hooks })
  onTestFinished(() => registry.close())
  return registry
}

/** A registry that keeps blobs back until a gate is opened: those whose path matches. */
async function startHeld(repositories: Repositories, gate: Gate, held = /\/blobs\//): Promise<TestRegistry> {
  const hook: Hook = async (request, next) => {
    if (request.method === 'GET' && request.path.includes('/blobs/') && held.test(request.path)) await gate.opened
    return next(request)
  }
  const registry = await startTestRegistry({ repositories, hook })
  onTestFinished(() => registry.close())
  return registry
}

function blobsSent({ log }: TestRegistry): readonly string[] {
  return log
    .flatMap(({ method, path }) => (method === 'GET' ? (/\/blobs\/(.+)$/.exec(path)?.slice(1) ?? []) : []))
    .sort()
}

/** The tree is as one that the same command made alone. */
async function expectSame(root: string, command: readonly string[]): Promise<void> {
  await expectClean(root)
  const alone = await makeTemporaryFolder()
  const at = command.indexOf('--root')
  await done([...(at < 0 ? command : command.slice(0, at)), '--root', alone])
  expect(await stateOf(root)).toEqual(await stateOf(alone))
}

async function tagsListed(root: string, repository: string): Promise<unknown> {
  const list: unknown = JSON.parse(await readFile(join(root, `v2/${repository}/tags/list`), 'utf8'))
  return (list as { readonly tags: unknown }).tags
}
