import { existsSync, lstatSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { emitHosts, refreshHosts } from '../../src/emit/apply.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { createChangeNotes, hasChanges, readChanges } from '../../src/tree/change-notes.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { acquireTreeLock, type Lock } from '../../src/tree/lock.ts'
import { type Graph, makeArtifact, makeImage, makeMultiPlatform, rootBytes } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

const MARKER = 'nginx/registry.conf'
const FILES = [MARKER, 'nginx/snippets/locations.conf', 'nginx/snippets/maps.conf']
const NGINX = [{ name: 'nginx' }]

describe('emit', () => {
  test('writes the files of a host, each with the command that writes them again', async () => {
    const root = await makeTree()
    const [result] = await emitHosts(openTree(root), [{ name: 'nginx', options: { port: '8080' } }])
    expect(result).toMatchObject({ name: 'nginx', title: 'nginx', warnings: [], reload: 'nginx -s reload' })
    expect([...(result?.changed ?? [])].sort()).toEqual(FILES)
    for (const file of FILES)
      expect(firstLine(root, file)).toBe(
        '# registrish emit --host nginx --web-root /srv/registrish --port 8080 --form constant',
      )
    expect(await refreshHosts(openTree(root))).toEqual([expect.objectContaining({ name: 'nginx' })])
  })

  test('links every tag to the bytes that the tag holds', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), NGINX)
    for (const [repository, tag] of [
      ['app', 'latest'],
      ['app', '1.0.gz'],
      ['app/nested', 'latest'],
    ] as const) {
      const link = `nginx/links/${repository}:/${tag}`
      expect(lstatSync(join(root, link)).isSymbolicLink()).toBe(true)
      expect(read(root, link)).toEqual(read(root, `v2/${repository}/manifests/${tag}`))
      expect(realpathSync(join(root, link)).endsWith(digestOf(read(root, link)))).toBe(true)
    }
  })

  test('links are second names of the files of the tree, not copies', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), NGINX)
    const digest = digestOf(read(root, 'v2/app/manifests/latest'))
    const link = realpathSync(join(root, 'nginx/links/app:/latest'))
    expect(statSync(link).ino).toBe(statSync(join(root, 'v2/app/manifests', digest)).ino)
  })

  test('makes the documents of a tree that was made by hand', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), NGINX)
    expect(JSON.parse(read(root, 'v2/_catalog').toString())).toEqual({ repositories: ['app', 'app/nested'] })
  })

  test('a second time it writes nothing', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), NGINX)
    const before = await photograph(root)
    expect(await emitHosts(openTree(root), NGINX)).toEqual([expect.objectContaining({ changed: [], links: 0 })])
    expect(await photograph(root)).toEqual(before)
  })

  test('a second time it says nothing of a reload', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), NGINX)
    const [result] = await emitHosts(openTree(root), NGINX)
    expect(result).not.toHaveProperty('reload')
  })

  test('keeps the options that are not given again', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name: 'nginx', options: { port: '8080', 'web-root': '/srv/a b' } }])
    await emitHosts(openTree(root), [{ name: 'nginx', options: { port: '8081' } }])
    expect(firstLine(root, MARKER)).toBe(
      "# registrish emit --host nginx --web-root '/srv/a b' --port 8081 --form constant",
    )
    const [again] = await emitHosts(openTree(root), [])
    expect(again).toMatchObject({ options: { 'web-root': '/srv/a b', port: '8081' }, changed: [] })
  })

  test('everything is readable by the web server, whatever the umask', async () => {
    const root = await makeTree()
    const umask = process.umask(0o077)
    onTestFinished(() => void process.umask(umask))
    await emitHosts(openTree(root), NGINX)
    for (const entry of await readdir(join(root, 'nginx'), { recursive: true, withFileTypes: true })) {
      if (entry.isSymbolicLink()) continue
      const mode = lstatSync(join(entry.parentPath, entry.name)).mode & 0o777
      expect(mode, entry.name).toBe(entry.isDirectory() ? 0o755 : 0o644)
    }
  })

  test.for(FILES)('leaves %s alone where it is someone’s own', async file => {
    const root = await makeTree()
    await mkdir(join(root, 'nginx/snippets'), { recursive: true })
    await writeFile(join(root, file), 'server { }\n')
    await expect(emitHosts(openTree(root), NGINX)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(file),
    })
    expect(read(root, file).toString()).toBe('server { }\n')
    expect(FILES.filter(path => existsSync(join(root, path)))).toEqual([file])
    expect(existsSync(join(root, 'nginx/links'))).toBe(false)
  })

  test('refuses a host, an option or a value that makes no sense, and writes nothing', async () => {
    const root = await makeTree()
    const tree = openTree(root)
    await expect(emitHosts(tree, [{ name: 'iis' }])).rejects.toMatchObject({ code: 'usage' })
    await expect(emitHosts(tree, [{ name: 'nginx', options: { colour: 'red' } }])).rejects.toMatchObject({
      code: 'usage',
    })
    await expect(emitHosts(tree, [{ name: 'nginx', options: { port: '80;' } }])).rejects.toMatchObject({
      code: 'usage',
    })
    expect(existsSync(join(root, 'nginx'))).toBe(false)
  })

  test('without a host and with none in use it says which there are', async () => {
    const tree = openTree(await makeTree())
    await expect(emitHosts(tree, [])).rejects.toMatchObject({ code: 'usage', hint: expect.stringContaining('nginx') })
  })

  test('serves an empty tree', async () => {
    const root = await makeTemporaryFolder()
    expect(await emitHosts(openTree(root), NGINX)).toEqual([expect.objectContaining({ links: 0 })])
  })

  test('two at once leave what one would', async () => {
    const root = await makeTree()
    await Promise.all([emitHosts(openTree(root), NGINX), emitHosts(openTree(root), NGINX)])
    expect(await emitHosts(openTree(root), NGINX)).toEqual([expect.objectContaining({ changed: [], links: 0 })])
  })
})

describe('refresh', () => {
  test('does nothing where no host is in use', async () => {
    const root = await makeTree()
    expect(await refreshHosts(openTree(root))).toEqual([])
    expect(existsSync(join(root, 'nginx'))).toBe(false)
  })

  test('does nothing to a file that is someone’s own', async () => {
    const root = await makeTree()
    await mkdir(join(root, 'nginx'))
    await writeFile(join(root, MARKER), 'server { }\n')
    expect(await refreshHosts(openTree(root))).toEqual([])
    expect(read(root, MARKER).toString()).toBe('server { }\n')
  })

  test('a tag that moved takes its link along, and no configuration is written', async () => {
    const root = await emitted()
    const tree = openTree(root)
    const next = await makeImage({ seed: 'later' })
    await putImage(root, 'app', 'latest', next)
    expect(await refreshHosts(tree, { repositories: ['app'] })).toEqual([
      expect.objectContaining({ name: 'nginx', changed: [] }),
    ])
    expect(read(root, 'nginx/links/app:/latest')).toEqual(Buffer.from(rootBytes(next)))
  })

  test('looks at the repositories named only', async () => {
    const root = await emitted()
    await putImage(root, 'app', 'new', await makeImage())
    await putImage(root, 'app/nested', 'new', await makeImage())
    await refreshHosts(openTree(root), { repositories: ['app/nested'] })
    expect(existsSync(join(root, 'nginx/links/app/nested:/new'))).toBe(true)
    expect(existsSync(join(root, 'nginx/links/app:/new'))).toBe(false)
  })

  test('nor does one whose first line cannot be understood', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name: 'nginx' }, { name: 'apache' }])
    await writeFile(join(root, MARKER), '# registrish emit --host nginx --colour red\n')
    await putImage(root, 'app', 'new', await makeImage())
    await expect(refreshHosts(openTree(root), { repositories: ['app'] })).rejects.toMatchObject({ code: 'conflict' })
    expect(existsSync(join(root, 'apache/links/app:/new'))).toBe(true)
  })

  test('a tag that went takes its link along', async () => {
    const root = await emitted()
    await unlink(join(root, 'v2/app/manifests/latest'))
    await refreshHosts(openTree(root), { repositories: ['app'] })
    expect(await readdir(join(root, 'nginx/links/app:'))).not.toContain('latest')
  })

  test('a repository that went takes its links along, and leaves those below it', async () => {
    const root = await emitted()
    await rm(join(root, 'v2/app/manifests'), { recursive: true })
    await refreshHosts(openTree(root), { repositories: ['app'] })
    expect(existsSync(join(root, 'nginx/links/app:'))).toBe(false)
    expect(existsSync(join(root, 'nginx/links/app/nested:/latest'))).toBe(true)
    await rm(join(root, 'v2/app'), { recursive: true })
    await refreshHosts(openTree(root), { repositories: ['app/nested'] })
    expect(existsSync(join(root, 'nginx/links/app'))).toBe(false)
  })

  test('without names it removes whatever does not belong there', async () => {
    const root = await emitted()
    await mkdir(join(root, 'nginx/links/old:/a:b'), { recursive: true })
    await mkdir(join(root, 'nginx/links/older'))
    for (const path of ['old:/a:b/x', 'older/y', 'app:/.1.left~', 'stray'])
      await writeFile(join(root, 'nginx/links', path), '')
    await refreshHosts(openTree(root))
    expect(await readdir(join(root, 'nginx/links'))).toEqual(['app', 'app:'])
    expect(await readdir(join(root, 'nginx/links/app:'))).not.toContain('.1.left~')
  })

  test('says all that went wrong, and of every host that is right again what it needs', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [...NGINX, { name: 'apache' }, { name: 'caddy' }])
    for (const path of ['nginx/snippets/locations.conf', 'apache/snippets/locations.conf'])
      await writeFile(join(root, path), 'my own\n')
    await rm(join(root, 'caddy/snippets'), { recursive: true })
    const told: string[] = []
    const refreshed = refreshHosts(openTree(root), { report: ({ name, reload }) => told.push(`${name} ${reload}`) })
    await expect(refreshed).rejects.toMatchObject({
      code: 'conflict',
      side: 'target',
      message: expect.stringMatching(
        /^nginx\/snippets\/locations\.conf was .*; apache\/snippets\/locations\.conf was /,
      ),
      hint: expect.stringMatching(/--host nginx again; .*--host apache again/),
    })
    expect(told).toEqual([expect.stringMatching(/^caddy caddy reload /)])
  })

  test('makes links again that a copy of the tree has lost', async () => {
    const root = await emitted()
    const before = await photograph(join(root, 'nginx'))
    const tag = join(root, 'nginx/links/app:/latest')
    const bytes = await readFile(tag)
    const real = realpathSync(tag)
    for (const path of [tag, real]) {
      await unlink(path)
      await writeFile(path, bytes)
    }
    await refreshHosts(openTree(root))
    expect(await photograph(join(root, 'nginx'))).toEqual(before)
  })

  test('makes the whole farm again where it is gone', async () => {
    const root = await emitted()
    const before = await photograph(join(root, 'nginx'))
    await rm(join(root, 'nginx/links'), { recursive: true })
    await refreshHosts(openTree(root))
    expect(await photograph(join(root, 'nginx'))).toEqual(before)
  })

  test('a file that was damaged and fetched again takes its place in the farm', async () => {
    const root = await emitted()
    const digest = digestOf(read(root, 'v2/app/manifests/latest'))
    const file = join(root, 'v2/app/manifests', digest)
    await writeFile(`${file}.new`, await readFile(file))
    await writeFile(realpathSync(join(root, 'nginx/links/app:/latest')), 'damaged!')
    await rename(`${file}.new`, file)
    await refreshHosts(openTree(root), { repositories: ['app'] })
    expect(digestOf(read(root, 'nginx/links/app:/latest'))).toBe(digest)
  })

  test('a manifest behind a symbolic link inside the tree is linked itself', async () => {
    const root = await emitted()
    await symlink('latest', join(root, 'v2/app/manifests/alias'))
    await refreshHosts(openTree(root), { repositories: ['app'] })
    const link = realpathSync(join(root, 'nginx/links/app:/alias'))
    expect(lstatSync(link).isFile()).toBe(true)
    expect(read(root, 'nginx/links/app:/alias')).toEqual(read(root, 'v2/app/manifests/latest'))
  })

  test('writes a configuration again that differs from what this version writes', async () => {
    const root = await emitted()
    const file = join(root, MARKER)
    const text = await readFile(file, 'utf8')
    await writeFile(file, `${text.split('\n', 1)[0]}\nolder\n`)
    expect(await refreshHosts(openTree(root), { repositories: [] })).toEqual([
      expect.objectContaining({ changed: [MARKER], reload: 'nginx -s reload' }),
    ])
    expect(await readFile(file, 'utf8')).toBe(text)
  })

  test('a host whose files are someone’s own by now keeps no other host from being refreshed', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name: 'nginx' }, { name: 'apache' }])
    await writeFile(join(root, 'nginx/snippets/maps.conf'), 'map { }\n')
    await putImage(root, 'app', 'new', await makeImage())
    await expect(refreshHosts(openTree(root), { repositories: ['app'] })).rejects.toMatchObject({ code: 'conflict' })
    expect(existsSync(join(root, 'apache/links/app:/new'))).toBe(true)
    expect(existsSync(join(root, 'nginx/links/app:/new'))).toBe(false)
  })

  test('also looks at repositories that were noted by who was killed, once', async () => {
    const root = await emitted()
    await noteAs(root, 'ended', 'app/nested')
    await putImage(root, 'app/nested', 'new', await makeImage())
    await refreshHosts(openTree(root), { repositories: ['app'] })
    expect(existsSync(join(root, 'nginx/links/app/nested:/new'))).toBe(true)
    expect(await hasChanges(root)).toBe(false)
  })

  test('keeps the notes of who may be in the middle of a change', async () => {
    const root = await emitted()
    const lock = await noteAs(root, 'running', 'app')
    await refreshHosts(openTree(root), { repositories: [] })
    await putImage(root, 'app', 'new', await makeImage())
    expect((await readChanges(root)).repositories).toEqual(['app'])
    await lock.release()
    await refreshHosts(openTree(root), { repositories: [] })
    expect(existsSync(join(root, 'nginx/links/app:/new'))).toBe(true)
    expect(await hasChanges(root)).toBe(false)
  })

  test('forgets the notes of who ended, and no others, where no host is in use', async () => {
    const root = await makeTree()
    await noteAs(root, 'running', 'app/nested')
    await noteAs(root, 'ended', 'app')
    expect(await refreshHosts(openTree(root), { repositories: ['app'] })).toEqual([])
    expect((await readChanges(root)).repositories).toEqual(['app/nested'])
  })

  test('keeps notes where it could not do its work, but not where only emit can mend what is wrong', async () => {
    const root = await emitted()
    await noteAs(root, 'ended', 'app')
    await expect(refreshHosts(openTree(root), { signal: AbortSignal.abort() })).rejects.toThrow()
    expect(await hasChanges(root)).toBe(true)
    await writeFile(join(root, 'nginx/snippets/maps.conf'), 'map { }\n')
    await expect(refreshHosts(openTree(root), { repositories: [] })).rejects.toMatchObject({ code: 'conflict' })
    expect(await hasChanges(root)).toBe(false)
  })

  test('takes no notice of notes that name no repository', async () => {
    const root = await emitted()
    await mkdir(join(root, '.registrish/changes/x'), { recursive: true })
    for (const name of ['..', 'A', 'manifests'].map(name => `${name}:b`))
      await writeFile(join(root, '.registrish/changes/x', name), '')
    await writeFile(join(root, '.registrish/changes/stray'), '')
    expect(await refreshHosts(openTree(root), { repositories: [] })).toEqual([
      expect.objectContaining({ changed: [], links: 0 }),
    ])
  })

  test('refuses what is no repository', async () => {
    const root = await emitted()
    await expect(refreshHosts(openTree(root), { repositories: ['../../etc'] })).rejects.toMatchObject({
      code: 'name-invalid',
    })
  })

  test('stops when it is told to', async () => {
    const root = await emitted()
    await expect(refreshHosts(openTree(root), { signal: AbortSignal.abort() })).rejects.toThrow()
  })
})

async function makeTree(): Promise<string> {
  const root = await makeTemporaryFolder()
  const image = await makeImage()
  await writeTree(root, 'app', {
    latest: await makeMultiPlatform(),
    '1.0.gz': image,
    art: makeArtifact({ payload: 'text' }),
  })
  await writeTree(root, 'app/nested', { latest: image })
  return root
}

async function emitted(): Promise<string> {
  const root = await makeTree()
  await emitHosts(openTree(root), NGINX)
  return root
}

/** Notes a change as a command does, that is at work until the end of the test or has ended. */
async function noteAs(root: string, who: 'running' | 'ended', ...repositories: readonly string[]): Promise<Lock> {
  const lock = await acquireTreeLock(root, 'shared')
  onTestFinished(() => lock.release())
  await createChangeNotes(root, lock)(repositories)
  if (who === 'ended') await lock.release()
  return lock
}

/** Puts an image beside those of a repository by plain file operations; a tag moves by rename, as everywhere. */
async function putImage(root: string, repository: string, tag: string, image: Graph): Promise<void> {
  await writeTree(root, repository, { 'moving-in': image })
  await rename(join(root, `v2/${repository}/manifests/moving-in`), join(root, `v2/${repository}/manifests/${tag}`))
}

/** What every path below a folder is: for a file its inode, for a link where it points. */
async function photograph(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => !entry.isDirectory() && !entry.parentPath.includes('.registrish'))
  return new Map(
    files
      .map(entry => join(entry.parentPath, entry.name))
      .sort()
      .map(path => [path, lstatSync(path).isSymbolicLink() ? realpathSync(path) : `${statSync(path).ino}`]),
  )
}

function read(root: string, path: string): Buffer {
  return readFileSync(join(root, path))
}

function firstLine(root: string, path: string): string | undefined {
  return read(root, path).toString().split('\n')[0]
}
