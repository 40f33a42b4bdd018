import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createChangeNotes, hasChanges, readChanges } from '../../src/tree/change-notes.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { acquireTreeLock, type Lock } from '../../src/tree/lock.ts'
import { pruneTree } from '../../src/tree/prune.ts'
import { removeImages } from '../../src/tree/remove.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { putGraph } from './support/put-graph.ts'

let root: string
beforeEach(async () => {
  root = await makeTemporaryFolder()
})

describe('notes of changes', () => {
  test('name every repository once, also the longest, and nested ones', async () => {
    const long = `${'x'.repeat(250)}/yyyy`
    const [one, two] = [await hold(), await hold()]
    await createChangeNotes(root, one)(['app', 'app/nested', long])
    await createChangeNotes(root, two)(['app'])
    expect([...(await readChanges(root)).repositories].sort()).toEqual(['app', 'app/nested', long])
  })

  test('of several at once, and again', async () => {
    const note = createChangeNotes(root, await hold())
    await Promise.all(['a', 'b', 'a', 'c'].map(name => note([name])))
    await note(['c', 'd'])
    expect([...(await readChanges(root)).repositories].sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('there are none in a folder that is no tree, or where nothing changed', async () => {
    expect(await hasChanges(root)).toBe(false)
    createChangeNotes(root, await hold())
    expect(await hasChanges(root)).toBe(false)
    expect((await readChanges(root)).repositories).toEqual([])
  })

  test('are forgotten when their run has ended before they were read, not before', async () => {
    const lock = await hold()
    await createChangeNotes(root, lock)(['app'])
    const during = await readChanges(root)
    await lock.release()
    await during.forget()
    expect(await hasChanges(root)).toBe(true)
    await (await readChanges(root)).forget()
    expect(await hasChanges(root)).toBe(false)
  })

  test('of the same repository under another lock stay', async () => {
    const first = await hold()
    await createChangeNotes(root, first)(['app'])
    await first.release()
    const notes = await readChanges(root)
    await createChangeNotes(root, await hold())(['app'])
    await notes.forget()
    expect((await readChanges(root)).repositories).toEqual(['app'])
  })

  test('of runs that ended are taken over by the next, so that they do not pile up', async () => {
    for (const repository of ['a', 'b', 'a', 'b', 'c']) {
      const lock = await hold()
      await createChangeNotes(root, lock)([repository])
      await lock.release()
    }
    expect(await readdir(join(root, '.registrish/changes'))).toHaveLength(1)
    expect([...(await readChanges(root)).repositories].sort()).toEqual(['a', 'b', 'c'])
  })

  test('fail where they cannot be written', async () => {
    await mkdir(join(root, '.registrish'))
    await writeFile(join(root, '.registrish/changes'), '')
    const note = createChangeNotes(root, await hold())
    for (const _ of [1, 2]) await expect(note(['app'])).rejects.toMatchObject({ code: 'io' })
  })
})

describe('what deletes leaves a note', () => {
  test('remove, of the repositories that it changes', async () => {
    const tree = await makeTree()
    await expect(removeImages(tree, [{ repository: 'app', reference: 'absent' }])).rejects.toThrow()
    expect(await hasChanges(root)).toBe(false)
    await removeImages(tree, [{ repository: 'app', reference: 'v1' }])
    expect((await readChanges(root)).repositories).toEqual(['app'])
  })

  test('prune, of those only of which something goes, and none in a dry run', async () => {
    const tree = await makeTree()
    await putGraph(tree, 'other', await makeImage({ seed: 'untagged' }))
    await pruneTree(tree, { dryRun: true })
    expect(await hasChanges(root)).toBe(false)
    await pruneTree(tree)
    expect((await readChanges(root)).repositories).toEqual(['other'])
  })
})

/** Holds a lock of the tree until it is released, at the latest when the test ends. */
async function hold(): Promise<Lock> {
  const lock = await acquireTreeLock(root, 'shared')
  onTestFinished(() => lock.release())
  return lock
}

async function makeTree(): Promise<ReturnType<typeof openTree>> {
  const tree = openTree(root)
  for (const repository of ['app', 'other']) await putGraph(tree, repository, await makeImage(), { tag: 'v1' })
  return tree
}
