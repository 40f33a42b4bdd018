import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { fetchImages } from '../../src/fetch/fetch.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { readOrigin, writeOrigin } from '../../src/tree/origin.ts'
import { publicFiles } from '../copy/copy-support.ts'
import { type Graph, makeImage } from '../support/made-images.ts'
import { createGate } from '../support/memory-faults.ts'
import { only } from '../support/registry-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import type { Hook, TestRegistry } from '../support/test-registry.ts'
import { fetchAll, fetchError, startRegistry } from './fetch-support.ts'

let root: string
let images: readonly [Graph, Graph]
beforeEach(async () => {
  root = await makeTemporaryFolder()
  images = [await makeImage({ seed: 'first' }), await makeImage({ seed: 'second' })]
})

/** Two registries that hold `app:one` and `app:two`, and give no blob before both were asked for a manifest. */
async function startRivals(): Promise<readonly [TestRegistry, TestRegistry]> {
  const gates = [createGate(), createGate()] as const
  const both = Promise.all(gates.map(({ opened }) => opened))
  const hooks = gates.map((gate): readonly Hook[] => [
    only(/ \/v2\/app\/manifests\//, (request, next) => {
      gate.open()
      return next(request)
    }),
    only(/ \/v2\/app\/blobs\//, async (request, next) => {
      await both
      return next(request)
    }),
  ])
  return [
    await startRegistry({ app: { one: images[0] } }, { hooks: hooks[0] ?? [] }),
    await startRegistry({ app: { two: images[1] } }, { hooks: hooks[1] ?? [] }),
  ]
}

describe('two fetches at once from two upstreams into one new repository', () => {
  it('one is done, the other is refused, and nothing of it becomes visible', async () => {
    const rivals = await startRivals()
    const reports = await Promise.all(
      rivals.map(({ host }, at) => fetchImages(`${host}/app`, [TAGS[at] ?? ''], { root })),
    )
    const errors = reports.map(({ results }) => results[0]?.error?.code)
    expect([...errors].sort()).toEqual(['conflict', undefined])
    const winner = errors.indexOf(undefined)
    const [refused] = reports[1 - winner]?.results ?? []
    expect(refused?.error?.message).toBe(
      `app in this tree was fetched from ${rivals[winner]?.host}/app, not from ${rivals[1 - winner]?.host}/app`,
    )
    expect((await readOrigin(root, 'app')).upstream).toBe(`${rivals[winner]?.host}/app`)
    const files = await publicFiles(root)
    const own = images[winner]
    const names = [...(own?.manifests.keys() ?? []), TAGS[winner] ?? ''].map(name => `app/manifests/${name}`)
    const blobs = [...(own?.blobs.keys() ?? [])].map(name => `app/blobs/${name}`)
    const inApp = [...files.keys()].filter(path => /^app\/(?:manifests|blobs)\//.test(path))
    expect(inApp.sort()).toEqual([...names, ...blobs].sort())
  })

  it('both are done where they may mix, and the first is remembered', async () => {
    const rivals = await startRivals()
    await Promise.all(rivals.map(({ host }, at) => fetchAll(`${host}/app`, [TAGS[at] ?? ''], { root, force: true })))
    expect(await openTree(root).tags('app')).toEqual(TAGS)
    expect(rivals.map(({ host }) => `${host}/app`)).toContain((await readOrigin(root, 'app')).upstream)
  })
})

const TAGS = ['one', 'two']

describe('what is remembered of a repository', () => {
  it('counts for nothing while nothing is there: who wrote it may have been killed', async () => {
    const registry = await startRegistry({ app: { one: images[0] } })
    await writeOrigin(root, 'app', { upstream: 'ghcr.io/o/app', pins: [digestOf('of that one')] })
    await fetchAll(`${registry.host}/app`, ['one'], { root })
    expect(await readOrigin(root, 'app')).toEqual({ upstream: `${registry.host}/app`, pins: [] })
  })

  it('is nothing after a fetch that found nothing, though others are in the repository', async () => {
    const registry = await startRegistry({ app: { one: images[0] } })
    await fetchAll(`${registry.host}/app`, ['one'], { root })
    await rm(join(root, '.registrish'), { recursive: true })
    const other = await startRegistry({ app: { two: images[1] } })
    expect((await fetchError(`${other.host}/app`, ['absent'], { root })).code).toBe('not-found')
    expect((await readOrigin(root, 'app')).upstream).toBeUndefined()
  })

  it('holds a digest as soon as its manifest is visible', async () => {
    const gate = createGate()
    const waits: Hook = async (request, next) => {
      await gate.opened
      return next(request)
    }
    const late = new RegExp(`manifests/${images[1].root.digest}`)
    const registry = await startRegistry({ app: { one: images[0], two: images[1] } }, { hook: only(late, waits) })
    const digests = images.map(image => image.root.digest)
    const seen: unknown[] = []
    const fetching = fetchAll(`${registry.host}/app`, digests, {
      root,
      onProgress: event => {
        if (event.type === 'manifest-done') seen.push(event.digest)
      },
    })
    while ((await openTree(root).manifest('app', digests[0] ?? '')) === undefined) await new Promise(setImmediate)
    expect((await readOrigin(root, 'app')).pins).toEqual([digests[0]])
    expect(seen).toEqual([digests[0]])
    gate.open()
    await fetching
    expect((await readOrigin(root, 'app')).pins).toEqual([...digests].sort())
  })
})
