import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { acquireNamedLock } from '../../src/tree/lock.ts'
import { makeImage, rootBytes } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { writeTree } from '../support/write-images.ts'
import { pollUntil } from './support/poll.ts'
import { done, MAIN, registrish, startRegistrish } from './support/registrish.ts'
import { describeWith } from './support/suites.ts'
import { expectClean } from './support/tree-state.ts'

/*
 * A command is killed when its change is visible and the files of a host in use do not know it yet: the lock that it waits for then is held by the test.
 */

const LINKS = 'nginx/links/app:'
/** A text of the code that refreshes hosts. */
const OF_REFRESH = 'no host is in use here'

describeWith([], 'a command that is killed before it has refreshed the hosts', () => {
  it('fetch: the same fetch again, to which nothing is new, makes the links', async () => {
    const { root, registry } = await makeServed()
    const fetch = ['fetch', `${registry.host}/app`, 'old', 'new', '--root', root]
    const image = await makeImage({ seed: 'new' })
    registry.put('app', 'new', image)
    await killBeforeRefresh(root, fetch, () => existsSync(join(root, 'v2/app/manifests/new')))
    expect(await readdir(join(root, LINKS))).not.toContain('new')

    const again = await done(fetch)
    expect(again.stdout).toMatch(/app:new .* unchanged/)
    expect(await readFile(join(root, LINKS, 'new'))).toEqual(Buffer.from(rootBytes(image)))
    await expectNothingLeft(root)
  })

  it('remove: the same again finds nothing to remove, and takes the links away', async () => {
    const { root } = await makeServed()
    const remove = ['remove', 'app:old', '--root', root]
    await killBeforeRefresh(root, remove, () => !existsSync(join(root, 'v2/app/manifests/old')))
    expect(await readdir(join(root, LINKS))).toContain('old')

    expect((await registrish(remove)).stderr).toContain('old')
    expect(await readdir(join(root, LINKS))).not.toContain('old')
    await expectNothingLeft(root)
  })

  it('prune: the same again has nothing to delete, and takes the links away', async () => {
    const { root } = await makeServed()
    await done(['remove', 'app:old', '--root', root])
    const prune = ['prune', '--root', root]
    const links = (): Promise<readonly string[]> => readdir(join(root, LINKS), { recursive: true })
    const before = await links()
    const countManifests = async (): Promise<number> => (await readdir(join(root, 'v2/app/manifests'))).length
    const manifests = await countManifests()
    await killBeforeRefresh(root, prune, async () => (await countManifests()) < manifests)
    expect(await links()).toEqual(before)

    await done(prune)
    expect(await links()).not.toEqual(before)
    const after = await links()
    await done(['emit', '--root', root])
    expect(await links()).toEqual(after)
    await expectNothingLeft(root)
  })

  it('deploy --dir: whatever changes the folder next makes the links', async () => {
    const { root } = await makeServed()
    const tree = await makeTemporaryFolder()
    await writeTree(tree, 'other', { '1': await makeImage({ seed: 'other' }) })
    const deploy = ['deploy', '--root', tree, '--dir', root]
    await killBeforeRefresh(root, deploy, () => existsSync(join(root, 'v2/other/manifests/1')))
    expect(existsSync(join(root, 'nginx/links/other:'))).toBe(false)

    await done(['remove', 'app:old', '--root', root])
    expect(await readdir(join(root, 'nginx/links/other:'))).toContain('1')
    await expectNothingLeft(root)
  })

  it('is the only case in which a fetch that finds nothing new looks at hosts', async () => {
    const { root, registry } = await makeServed()
    const fetch = ['fetch', `${registry.host}/app`, 'old', 'new', '--root', root]
    registry.put('app', 'new', await makeImage({ seed: 'new' }))
    expect((await loadedBy(fetch)).includes(OF_REFRESH)).toBe(true)
    expect((await loadedBy(fetch)).includes(OF_REFRESH)).toBe(false)
  })
})

/** A tree with two tags of one repository, for which nginx is in use. */
async function makeServed(): Promise<{ readonly root: string; readonly registry: TestRegistry }> {
  const app = { old: await makeImage({ seed: 'old' }), kept: await makeImage({ seed: 'kept' }) }
  const registry = await startTestRegistry({ repositories: { app } })
  onTestFinished(() => registry.close())
  const root = await makeTemporaryFolder()
  await done(['fetch', `${registry.host}/app`, 'old', 'kept', '--root', root])
  await done(['emit', '--host', 'nginx', '--root', root])
  return { root, registry }
}

/** Runs a command until its change is visible and it waits for its turn to refresh, and kills it there. */
async function killBeforeRefresh(
  root: string,
  args: readonly string[],
  isVisible: () => boolean | Promise<boolean>,
): Promise<void> {
  const lock = await acquireNamedLock(root, 'emit')
  onTestFinished(() => lock.release())
  const child = startRegistrish(args)
  const ended = once(child, 'close')
  const waiting = async (): Promise<boolean> =>
    (await readdir(join(root, '.registrish/locks'))).some(name => name.startsWith('emit.') && isOf(name, child.pid))
  await pollUntil(waiting, { timeout: 30_000 })
  expect(await isVisible()).toBe(true)
  child.kill('SIGKILL')
  await ended
  expect(child.signalCode).toBe('SIGKILL')
  await lock.release()
}

function isOf(ticket: string, pid: number | undefined): boolean {
  return ticket.split('.').includes(String(pid))
}

async function expectNothingLeft(root: string): Promise<void> {
  expect(await readdir(join(root, '.registrish/changes'))).toEqual([])
  await expectClean(root)
}

/** All the code of this project that a command loads. */
async function loadedBy(args: readonly string[]): Promise<string> {
  const folder = await makeTemporaryFolder()
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: 'ignore',
    env: { ...process.env, CI: 'true', NODE_V8_COVERAGE: folder },
  })
  const [code] = (await once(child, 'close')) as [unknown]
  expect(code).toBe(0)
  const dist = new URL('..', new URL(`file://${MAIN}`))
  const files = new Set<string>()
  for (const name of await readdir(folder)) {
    const report = JSON.parse(await readFile(join(folder, name), 'utf8')) as { readonly result: readonly Script[] }
    for (const { url } of report.result) if (url.startsWith(dist.href)) files.add(fileURLToPath(url))
  }
  return (await Promise.all([...files].map(file => readFile(file, 'utf8')))).join('\n')
}

interface Script {
  readonly url: string
}
