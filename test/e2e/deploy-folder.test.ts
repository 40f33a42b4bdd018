import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { type Graph, makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { createRandom, isLocked, runAndKill, spread } from './support/kills.ts'
import { startLighttpd } from './support/lighttpd.ts'
import { startNginx } from './support/nginx.ts'
import { done, registrish } from './support/registrish.ts'
import { type RunResult, run } from './support/run.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'
import { expectClean, stateOf } from './support/tree-state.ts'

const KILLS = 6
const IMAGES = 40

describeWith([], 'deploy --dir', () => {
  it('leaves nothing wrong where it is killed, and the next run completes', async () => {
    const tree = await makeTree()
    const whole = await newFolder()
    const first = await runAndKill(deployTo(tree, whole), 60_000, () => isLocked(whole))
    expect(first.exitCode, first.stderr).toBe(0)
    await expectClean(whole)
    const wanted = await stateOf(whole)
    expect(wanted).toEqual(publishedIn(await stateOf(tree)))
    for (const part of spread(KILLS, createRandom('kill -9 of deploy --dir'))) {
      const folder = await newFolder()
      const { killed } = await runAndKill(deployTo(tree, folder), part * first.milliseconds, () => isLocked(folder))
      if (killed) await expectWholeTags(folder)
      const again = await registrish(deployTo(tree, folder))
      expect(again.exitCode, again.stderr).toBe(0)
      await expectClean(folder)
      expect(await stateOf(folder)).toEqual(wanted)
    }
  })

  it('copies to another file system, and to the same tree in two runs at once', async () => {
    const tree = await makeTree()
    const folder = await newFolder('/dev/shm')
    const runs = await Promise.all([registrish(deployTo(tree, folder)), registrish(deployTo(tree, folder))])
    for (const { exitCode, stderr } of runs) expect(exitCode, stderr).toBe(0)
    await expectClean(folder)
    expect(await stateOf(folder)).toEqual(publishedIn(await stateOf(tree)))
  })

  it('is refused for the tree itself, and for a folder in nothing', async () => {
    const tree = await makeTree()
    for (const folder of [tree, join(tree, 'v2'), join(tree, 'absent/folder')])
      expect((await registrish(deployTo(tree, folder))).exitCode, folder).toBe(64)
  })
})

describeWith(['nginx', 'lighttpd', 'crane'], 'a folder that is served', () => {
  it('is served right after a deploy, since the hosts in use there are brought up to date', async () => {
    const folder = await newFolder()
    // mkdtemp gives 0700: the web servers are another user.
    await chmod(dirname(folder), 0o755)
    await mkdir(folder)
    const before = await makeTemporaryFolder()
    await writeTree(before, 'old', { latest: await makeImage({ seed: 'old' }) })
    await done(deployTo(before, folder))
    const servers = [await startNginx(folder), await startLighttpd(folder)]
    try {
      const image = await makeMultiPlatform({ seed: 'new' })
      const tree = await makeTemporaryFolder()
      await writeTree(tree, 'app', { latest: image })
      for (const { url, host } of servers) {
        const { stderr } = await done([...deployTo(tree, folder), '--url', url])
        expect(stderr).toContain('fetched back from')
        expect((await run(toolPath('crane'), ['digest', `${host}/app:latest`])).stdout).toBe(image.root.digest)
        expect((await run(toolPath('crane'), ['catalog', host])).stdout).toBe('app\nold')
      }
      await done(['emit', '--root', folder])
      expect((await registrish([...deployTo(tree, folder), '--dry-run', '--detailed-exitcode'])).exitCode).toBe(0)
    } finally {
      for (const server of servers) await server.close()
    }
  })
})

describeWith(['rsync', 'bash'], 'the script of docs/hosts/directory.md', () => {
  it('brings a tree over in the safe order, moves tags, and deletes when it is asked to', async () => {
    const { publish, target } = await prepareScript()
    const tree = await makeTemporaryFolder()
    const [one, two] = [await makeMultiPlatform({ seed: 'one' }), await makeMultiPlatform({ seed: 'two' })]
    await writeTree(tree, 'app', { latest: one, kept: one })
    await done(['emit', '--root', tree, '--host', 'nginx,apache,caddy,lighttpd'])
    await publish(tree)
    expect(await stateOf(target)).toEqual(await stateOf(tree))

    await rm(join(tree, 'v2'), { recursive: true })
    await writeTree(tree, 'app', { latest: two })
    await writeTree(tree, 'other/app', { '1.0.gz': one })
    await done(['emit', '--root', tree])
    await publish(tree)
    const state = await stateOf(tree)
    expect(await stateOf(target)).toMatchObject(state)
    expect(Object.keys(await stateOf(target))).toContain('v2/app/manifests/kept')
    await publish(tree, 'prune')
    expect(await stateOf(target)).toEqual(state)
  })

  it('can be cut off anywhere, and run again', async () => {
    const { publish, target, passes } = await prepareScript()
    const tree = await makeTree(2)
    await done(['emit', '--root', tree, '--host', 'lighttpd'])
    await publish(tree)
    const wanted = await stateOf(target)
    expect(wanted).toEqual(await stateOf(tree))
    const all = (await readdir(passes)).length
    expect(all).toBeGreaterThan(7)
    for (let allowed = 1; allowed < all; allowed += 1) {
      await rm(target, { recursive: true })
      const result = await publish(tree, '', { RSYNC_PASSES: String(allowed) })
      expect(result.failed).toBe(true)
      await expectWholeTags(target)
    }
    await publish(tree)
    expect(await stateOf(target)).toEqual(wanted)
  })
})

interface Script {
  readonly target: string
  /** Where a copy of the target stands after each pass. */
  readonly passes: string
  /** Runs the script in a tree, over rsync's protocol, and looks at the target after each pass. */
  readonly publish: (tree: string, more?: string, env?: Readonly<Record<string, string>>) => Promise<RunResult>
}

/** The remote shell is a local one: what rsync says to the other side is what it says over ssh. */
async function prepareScript(): Promise<Script> {
  const folder = await makeTemporaryFolder()
  const page = await readFile(new URL('../../docs/hosts/directory.md', import.meta.url), 'utf8')
  const script = /```sh\n(#!\/bin\/sh\n.*?)```/s.exec(page)?.[1] ?? ''
  const [target, passes, bin] = ['target', 'passes', 'bin'].map(name => join(folder, name)) as [string, string, string]
  await mkdir(passes)
  await mkdir(bin)
  await writeFile(join(folder, 'publish.sh'), script)
  await writeFile(join(bin, 'rsh'), '#!/bin/sh\nshift\nexec "$@"\n')
  await writeFile(join(bin, 'rsync'), wrapper({ target, passes }))
  for (const name of ['rsh', 'rsync']) await chmod(join(bin, name), 0o755)
  const publish: Script['publish'] = async (tree, more = '', env = {}) => {
    await rm(passes, { recursive: true })
    await mkdir(passes)
    const result = await run(toolPath('bash'), ['-c', `sh ${folder}/publish.sh host:${target} ${more}`], {
      cwd: tree,
      reject: env['RSYNC_PASSES'] === undefined,
      env: { PATH: `${bin}:${process.env['PATH'] ?? ''}`, RSYNC_RSH: join(bin, 'rsh'), ...env },
    })
    for (const pass of await readdir(passes)) await expectWholeTags(join(passes, pass))
    return result
  }
  return { target, passes, publish }
}

/** Runs rsync, as long as it is allowed to, and keeps a copy of what is there then. The other side is called by its path. */
function wrapper({ target, passes }: Pick<Script, 'target' | 'passes'>): string {
  const rsync = toolPath('rsync')
  return `#!/bin/sh
count=$(ls ${passes} | wc -l)
if [ "\${RSYNC_PASSES:-99}" -le "$count" ]; then exit 20; fi
${rsync} --rsync-path=${rsync} "$@" || exit
cp -a ${target} ${passes}/$(printf %02d "$count")
`
}

/** What every tag of a folder names is whole, also where a server looks into a farm: nobody sees half an image. */
async function expectWholeTags(root: string): Promise<void> {
  const entries = await readdir(join(root, 'v2'), { recursive: true, withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (!entry.isFile() || !entry.parentPath.endsWith('/manifests') || entry.name.includes(':')) continue
    await expectWhole(join(entry.parentPath, '..'), join(entry.parentPath, entry.name))
  }
}

async function expectWhole(repository: string, file: string): Promise<void> {
  const manifest = JSON.parse(await readFile(file, 'utf8')) as Record<string, readonly { digest: string }[] | undefined>
  const { manifests = [], layers = [], config } = manifest
  const blobs = [...layers, ...(config === undefined ? [] : [config as unknown as { digest: string }])]
  for (const { digest } of blobs) await expect(readFile(join(repository, 'blobs', digest)), file).resolves.toBeDefined()
  for (const { digest } of manifests) await expectWhole(repository, join(repository, 'manifests', digest))
}

function deployTo(tree: string, folder: string): readonly string[] {
  return ['deploy', '--root', tree, '--dir', folder]
}

function publishedIn(state: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(state).filter(([path]) => path.startsWith('v2/')))
}

async function newFolder(below?: string): Promise<string> {
  if (below === undefined) return join(await makeTemporaryFolder(), 'public')
  const { stdout } = await run('mktemp', ['-d', '-p', below])
  onTestFinished(async () => rm(stdout, { recursive: true, force: true }))
  return stdout
}

/** Many images of two layers, with something that refers to each. */
async function makeTree(count = IMAGES): Promise<string> {
  const root = await makeTemporaryFolder()
  const images = Array.from({ length: count }, async (_, at): Promise<readonly [string, Graph]> => {
    const image = await makeImage({ seed: `image-${at}`, layers: 2 })
    return [`t${at}`, withReferrers(image, makeArtifact({ subject: image, payload: `about ${at}` }))]
  })
  await writeTree(root, 'app', Object.fromEntries(await Promise.all(images)))
  await rebuildDocuments(root)
  return root
}
