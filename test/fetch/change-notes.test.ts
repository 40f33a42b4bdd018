import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readChanges } from '../../src/tree/change-notes.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { makeImage } from '../support/made-images.ts'
import { only } from '../support/registry-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { fetchAll, startRegistry } from './fetch-support.ts'

it('a fetch notes the repositories that it changes, not those that are as they should be', async () => {
  const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
  const registry = await startRegistry({ app: { latest: one } })
  const root = await makeTemporaryFolder()
  const fetch = async (): Promise<readonly string[]> => {
    await rm(join(root, '.registrish/changes'), { recursive: true, force: true })
    await fetchAll(`${registry.host}/app`, ['latest'], { root, as: 'team/app' })
    return (await readChanges(root)).repositories
  }
  expect(await fetch()).toEqual(['team/app'])
  expect(await fetch()).toEqual([])
  registry.put('app', 'latest', two)
  expect(await fetch()).toEqual(['team/app'])
  registry.put('app', 'latest', one)
  expect(await fetch(), 'where only a tag moves').toEqual(['team/app'])
})

it('a fetch that is broken off has noted what is visible by then, and nothing where nothing is', async () => {
  const images = await Promise.all(['one', 'two'].map(seed => makeImage({ seed })))
  const [one, two] = images
  if (one === undefined || two === undefined) throw new Error('two were made')
  const root = await makeTemporaryFolder()
  const abort = new AbortController()
  const hook = only(/ \/v2\/app\/manifests\/two/, async (request, next) => {
    while ((await openTree(root).tags('app')).length === 0) await new Promise(resolve => setTimeout(resolve, 5))
    abort.abort()
    return next(request)
  })
  const registry = await startRegistry({ app: { one, two } }, { hook })
  await expect(fetchAll(`${registry.host}/app`, ['one', 'two'], { root, signal: abort.signal })).rejects.toMatchObject({
    code: 'aborted',
  })
  expect((await readChanges(root)).repositories).toEqual(['app'])

  const empty = await makeTemporaryFolder()
  await expect(fetchAll(`${registry.host}/app`, ['absent'], { root: empty })).rejects.toThrow()
  expect((await readChanges(empty)).repositories).toEqual([])
})
