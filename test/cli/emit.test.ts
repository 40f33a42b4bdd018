import { chmod, mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

test('an option goes to the hosts that have it, and the others are named', async () => {
  const root = await makeRoot()
  const { code, out, err } = await emit(root, ['--host', 'nginx,htaccess', '--port', '8080'])
  expect(code).toBe(0)
  expect(out).toContain('nginx: wrote nginx/registry.conf')
  expect(err).toContain('htaccess: has no --port\n')
  expect(err).not.toContain('nginx: has no')
})

test('an option that no host has is refused', async () => {
  const { code, err } = await emit(await makeRoot(), ['--host', 'htaccess,netlify', '--port', '8080'])
  expect(code).toBe(64)
  expect(err).toContain('htaccess has no option --port')
})

test('says how to begin the first time, and with which options it is up to date the next', async () => {
  const root = await makeRoot()
  expect((await emit(root, ['--host', 'nginx'])).err).toContain(
    'nginx: to begin with, include /srv/registrish/nginx/registry.conf',
  )
  const again = await emit(root, [])
  expect(again.out).toBe('nginx: up to date with --web-root /srv/registrish --port 5555 --form constant\n')
  expect(again.err).toBe('')
  const moved = await emit(root, ['--host', 'nginx', '--port', '81'])
  expect(moved.err).toBe('nginx: for this to take effect: nginx -s reload\n')
})

test('a root that is not there is refused', async () => {
  const root = join(await makeTemporaryFolder(), 'nowhere')
  const { code, err } = await emit(root, ['--host', 'nginx'])
  expect(code).toBe(64)
  expect(err).toContain(`there is no folder ${root}`)
})

test('says which folders the web server may not enter', async () => {
  const root = await realpath(await makeRoot())
  await chmod(root, 0o750)
  const { err } = await emit(root, ['--host', 'nginx', '--web-root', root])
  expect(err).toContain(`${root} lets no other user pass, such as the web server's: chmod o+x ${root}\n`)
  await chmod(root, 0o755)
  expect((await emit(root, [])).err).not.toContain(`chmod o+x ${root}\n`)
})

test('says where the web root given is not on this machine', async () => {
  const { err } = await emit(await makeRoot(), ['--host', 'nginx', '--web-root', '/nowhere/at/all'])
  expect(err).toContain('/nowhere/at/all is not on this machine')
})

test('an upload is asked for after each change of a web space', async () => {
  const root = await makeRoot()
  expect((await emit(root, ['--host', 'htaccess'])).err).toContain('htaccess: for this to take effect: upload v2')
  await writeTree(root, 'other', { latest: await makeImage({ seed: 'other' }) })
  expect((await emit(root, [])).err).toContain('htaccess: for this to take effect: upload v2')
  expect((await emit(root, [])).err).toBe('')
})

async function makeRoot(): Promise<string> {
  const root = join(await makeTemporaryFolder(), 'root')
  await mkdir(root)
  await writeTree(root, 'app', { latest: await makeImage() })
  return root
}

async function emit(root: string, args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(text => {
      out += String(text)
      return true
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation(text => {
      err += String(text)
      return true
    }),
  ]
  try {
    const code = await runCli(['emit', '--root', root, ...args])
    return { code, out, err }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
