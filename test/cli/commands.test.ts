import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { RunContext } from '../../src/cli/command.ts'
import { runCli } from '../../src/cli/run.ts'
import { makeMultiPlatform } from '../support/made-images.ts'
import { type Outcome, runCommand } from '../support/run-command.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { startTestRegistry } from '../support/test-registry.ts'
import { writeTree } from '../support/write-images.ts'

/* What the commands print about a tree, beyond that they work. */

describe('a folder that is none', () => {
  test.each(['list', 'serve', 'verify', 'prune', 'remove x'])(
    '%s does not take a misspelt root for an empty one',
    async line => {
      const folder = await makeTemporaryFolder()
      const misspelt = join(folder, 'miror')
      const message = `there is no folder ${misspelt}`
      await expect(run([...line.split(' '), '--root', misspelt])).rejects.toMatchObject({ code: 'usage', message })
    },
  )

  test.each(['list', 'serve', 'verify', 'prune', 'remove x', 'emit --host nginx', 'fetch localhost:1/x'])(
    '%s says that it is a file',
    async line => {
      const folder = await makeTemporaryFolder()
      await writeFile(join(folder, 'v2'), '')
      for (const root of [join(folder, 'v2'), folder]) {
        const message = `${join(folder, 'v2')} is a file, not a folder`
        await expect(run([...line.split(' '), '--root', root])).rejects.toMatchObject({ code: 'usage', message })
      }
    },
  )
})

describe('list', () => {
  test('says once that nothing matches', async () => {
    const root = await makeTemporaryFolder()
    const said: string[] = []
    await expect(run(['list', 'zzz', '--root', root], said)).rejects.toMatchObject({ code: 'not-found' })
    expect(said).toEqual([])
  })

  test.each([0, 1, 2])('prints one JSON document of %d repositories', async repositories => {
    const root = await makeTemporaryFolder()
    for (let number = 0; number < repositories; number += 1)
      await writeTree(root, `app-${number}`, { latest: await makeMultiPlatform() })
    const lines = (await run(['list', '--root', root], [], 'ndjson')).printed
    const { printed } = await run(['list', '--root', root], [], 'json')
    const listings = lines.map(line => JSON.parse(line) as { newSize: number })
    const size = listings.reduce((sum, { newSize }) => sum + newSize, 0)
    expect(listings).toHaveLength(repositories)
    expect(printed.join('\n')).toBe(JSON.stringify({ repositories: listings, size }, undefined, 2))
  })

  test('names a broken tag where there is no other', async () => {
    const root = await makeTemporaryFolder()
    await mkdir(join(root, 'v2/app/manifests'), { recursive: true })
    await writeFile(join(root, 'v2/app/manifests/1'), 'x')
    const { said, printed } = await run(['list', '--root', root])
    expect(printed).toEqual([])
    expect(said).toEqual(['not listed: v2/app/manifests/1: the manifest is not JSON'])
  })
})

describe('an image that was fetched', () => {
  test('is said to be fetched in manifests and blobs, also by --dry-run', async () => {
    const { root, host } = await serveImage()
    const { said } = await run(['fetch', `${host}/app`, '1', '--root', root, '--dry-run'])
    expect(said).toEqual([expect.stringMatching(/^would fetch \S+ kB: 3 manifests, \d blobs$/)])
  })

  test('has no totals where it was not', async () => {
    const { root, host } = await serveImage()
    const { said, code } = await run(['fetch', `${host}/app`, '1', '--platform', 'plan9/mips', '--root', root])
    expect(said).toEqual([expect.stringMatching(/^registrish: app:1 has no plan9\/mips\n/)])
    expect(code).toBe(5)
  })

  test('is complained of where it was not, also with --quiet', async () => {
    const { root, host } = await serveImage()
    const error = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const result = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    onTestFinished(() => {
      error.mockRestore()
      result.mockRestore()
    })
    expect(await runCli(['fetch', `${host}/app`, '1', 'none', '--quiet', '--root', root])).toBe(3)
    expect(error.mock.calls.map(([text]) => text)).toEqual([
      expect.stringMatching(/^registrish: .*\/app has no tag "none"/),
    ])
  })

  test('is removed by its digest with its tags, and each is named', async () => {
    const { root, host, digest } = await serveImage()
    await run(['fetch', `${host}/app`, '1', '2', '--root', root])
    const { printed } = await run(['remove', `app@${digest}`, '--root', root])
    expect(printed).toEqual([`removed app@${digest}`, 'removed app:1', 'removed app:2'])
    expect((await run(['prune', '--root', root])).said).toEqual([expect.stringMatching(/freed$/)])
    expect((await run(['prune', '--root', root])).said).toEqual(['nothing to delete'])
  })

  test('is not to be removed by half a digest', async () => {
    const root = await makeTemporaryFolder()
    await expect(run(['remove', 'app@sha256:abc', '--root', root])).rejects.toMatchObject({
      message: expect.stringContaining('not a digest'),
    })
  })
})

describe('verify says what mends the tree', () => {
  test('documents are made anew by --repair alone', async () => {
    const { root, host } = await serveImage()
    await run(['fetch', `${host}/app`, '1', '--root', root])
    await writeFile(join(root, 'v2/_catalog'), '{}')
    expect((await run(['verify', '--root', root])).said).toEqual([
      expect.stringMatching(/1 problem; registrish verify --repair makes the documents anew$/),
    ])
    expect((await run(['verify', '--repair', '--root', root])).said).toEqual([
      expect.stringMatching(/1 problem, repaired$/),
    ])
  })

  test('after --repair it does not ask for --repair', async () => {
    const { root, host, blob } = await serveImage()
    await run(['fetch', `${host}/app`, '1', '--root', root])
    await rm(join(root, 'v2/app/blobs', blob))
    expect((await run(['verify', '--root', root])).said.at(-1)).toMatch(
      /--repair moves bad files aside, then fetch the/,
    )
    expect((await run(['verify', '--repair', '--root', root])).said.at(-1)).toMatch(
      /problems?; fetch the images again$/,
    )
  })
})

function run(words: readonly string[], said: string[] = [], output: RunContext['output'] = 'text'): Promise<Outcome> {
  return runCommand(words, { said, output })
}

async function serveImage(): Promise<Readonly<Record<'root' | 'host' | 'digest' | 'blob', string>>> {
  const image = await makeMultiPlatform()
  const registry = await startTestRegistry({ repositories: { app: { '1': image, '2': image } } })
  onTestFinished(() => registry.close())
  const [blob = ''] = image.blobs.keys()
  return { root: await makeTemporaryFolder(), host: registry.host, digest: image.root.digest, blob }
}
