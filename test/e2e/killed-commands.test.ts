import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { type Graph, makeArtifact, makeImage, withReferrers } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { createRandom, isLocked, runAndKill, spread } from './support/kills.ts'
import { registrish } from './support/registrish.ts'
import { run } from './support/run.ts'
import { describeWith } from './support/suites.ts'
import { expectClean, stateOf } from './support/tree-state.ts'

const KILLS = 3
const IMAGES = 60
/** Tags that nothing here touches. */
const KEPT = ['t0', 't1', 't2']

/** A command that changes a tree which is there. */
interface Case {
  readonly name: string
  /** What is done to the tree before; default: nothing. */
  readonly before?: (root: string) => Promise<void>
  /** The command, by the tags that are there. */
  readonly command: (tags: readonly string[]) => readonly string[]
  /** Exit code where it ends by itself. Default 0. */
  readonly exitCode?: number
  /** Whether the tree is wrong until it has ended by itself. Default false. */
  readonly damaged?: boolean
}

const CASES: readonly Case[] = [
  { name: 'prune', before: untagMost, command: () => ['prune'] },
  {
    name: 'remove',
    command: tags => ['remove', ...tags.filter(tag => !KEPT.includes(tag)).map(tag => `app:${tag}`)],
  },
  { name: 'emit', command: () => ['emit', '--host', 'apache,caddy,nginx'] },
  {
    name: 'verify --repair',
    before: breakLinks,
    command: () => ['verify', '--repair'],
    exitCode: 2,
    damaged: true,
  },
]

describeWith([], 'a command that is killed', () => {
  it.each(CASES)('$name: leaves nothing wrong, and the next run goes on at once and completes', async tested => {
    const { command, exitCode = 0, damaged = false } = tested
    const template = await makeTemplate(tested)
    const whole = await copyTree(template)
    const first = await runAndKill([...command(await tagsIn(whole)), '--root', whole], LONG, () => isLocked(whole))
    expect(first.exitCode, first.stderr).toBe(exitCode)
    const wanted = await stateOf(whole)

    for (const part of spread(KILLS, createRandom(`kill -9 of ${tested.name}`))) {
      const root = await killHalfway(template, command, part * first.milliseconds)
      if (!damaged) await expectClean(root)
      expect(await tagsIn(root)).toEqual(expect.arrayContaining(KEPT))
      const rest = command(await tagsIn(root))
      if (rest.length > 1 || rest[0] !== 'remove') {
        const again = await registrish([...rest, '--root', root])
        expect(again.stderr).not.toContain('waiting for')
        expect([0, exitCode], again.stderr).toContain(again.exitCode)
      }
      await expectClean(root)
      expect(await stateOf(root)).toEqual(wanted)
    }
  })
})

/** Kills a command at a copy of a tree so many milliseconds after it began; earlier, at another copy, where it was faster than that. */
async function killHalfway(template: string, command: Case['command'], after: number): Promise<string> {
  const root = await copyTree(template)
  const args = [...command(await tagsIn(root)), '--root', root]
  const { killed } = await runAndKill(args, after, () => isLocked(root))
  return killed ? root : killHalfway(template, command, after / 2)
}

/** Milliseconds after which it hangs. */
const LONG = 60_000

async function makeTemplate({ before }: Case): Promise<string> {
  const root = await makeTemporaryFolder()
  const images = Array.from({ length: IMAGES }, async (_, at): Promise<readonly [string, Graph]> => {
    const image = await makeImage({ seed: `image-${at}`, layers: 2 })
    return [`t${at}`, withReferrers(image, makeArtifact({ subject: image, payload: `about ${at}` }))]
  })
  await writeTree(root, 'app', Object.fromEntries(await Promise.all(images)))
  await rebuildDocuments(root)
  await before?.(root)
  return root
}

async function copyTree(from: string): Promise<string> {
  const root = await makeTemporaryFolder()
  await run('cp', ['-a', `${from}/.`, root])
  return root
}

/** Tags but those that are documents. */
async function tagsIn(root: string): Promise<readonly string[]> {
  return (await readdir(join(root, 'v2/app/manifests'))).filter(name => /^t\d+$/.test(name))
}

async function untagMost(root: string): Promise<void> {
  for (const tag of await tagsIn(root)) if (!KEPT.includes(tag)) await rm(join(root, 'v2/app/manifests', tag))
  await rebuildDocuments(root)
}

/** Another repository with the same blobs, not linked, and documents that name what is not there. */
async function breakLinks(root: string): Promise<void> {
  await run('cp', ['-a', join(root, 'v2/app'), join(root, 'v2/other')])
  await rebuildDocuments(root)
  for (const name of ['app', 'other'])
    await writeFile(join(root, `v2/${name}/tags/list`), JSON.stringify({ name, tags: ['absent'] }))
}
