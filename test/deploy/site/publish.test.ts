import { chmod, mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { programOf } from '../../../src/deploy/site/programs.ts'
import { type PublishOptions, publishSite } from '../../../src/deploy/site/publish.ts'
import { EMITTERS } from '../../../src/emit/hosts.ts'
import { tryNamedLock } from '../../../src/tree/lock.ts'
import { putProgram, readRuns } from '../../support/fake-program.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'

let root: string
let bin: string
let options: PublishOptions & { readonly env: Readonly<Record<string, string>> }

beforeEach(async () => {
  root = await realpath(await makeTemporaryFolder())
  bin = join(root, 'bin')
  for (const folder of ['vercel', 'cloudflare-pages']) await mkdir(join(root, folder))
  options = { root, cwd: root, env: { PATH: bin, SECRET: 'kept' } }
})

const PAGES = ['pages', 'deploy', 'site']

/** What each program says of a site that it published. */
const SAID: Readonly<Record<string, string>> = {
  netlify: '{"url":"https://a.example"}',
  wrangler: 'Deployment complete! Take a peek over at https://a1b2.p.pages.dev',
  firebase: 'Hosting URL: https://p.web.app',
  vercel: 'https://p-abc-team.vercel.app',
}

describe('each host is published by its program', () => {
  test.each([
    [
      'netlify',
      'netlify',
      'my-site',
      [['deploy', '--prod', '--no-build', '--dir', 'netlify/site', '--json', '--site', 'my-site']],
    ],
    ['netlify', 'netlify', undefined, [['deploy', '--prod', '--no-build', '--dir', 'netlify/site', '--json']]],
    [
      'cloudflare-pages',
      'wrangler',
      'p',
      [[...PAGES, '--project-name', 'p', '--branch', 'main', '--commit-dirty=true']],
    ],
    [
      'firebase',
      'firebase',
      'p',
      [['deploy', '--only', 'hosting', '--project', 'p', '--config', 'firebase/firebase.json', '--non-interactive']],
    ],
    ['vercel', 'vercel', undefined, [['deploy', '--prebuilt', '--prod', '--archive=tgz', '--yes']]],
    [
      'vercel',
      'vercel',
      'p',
      [
        ['link', '--yes', '--project', 'p'],
        ['deploy', '--prebuilt', '--prod', '--archive=tgz', '--yes'],
      ],
    ],
  ])('%s: %s of %s', async (host, program, site, runs) => {
    await putProgram(bin, program, { stdout: SAID[program] ?? '' })
    await publishSite(programOf(host), { ...options, site })
    const seen = await readRuns(bin, program)
    expect(seen.map(({ args }) => args)).toEqual(runs)
    for (const { cwd, env } of seen) {
      expect(cwd).toBe(join(root, { vercel: 'vercel', 'cloudflare-pages': 'cloudflare-pages' }[host] ?? ''))
      expect(env).toMatchObject({ SECRET: 'kept', NO_COLOR: '1' })
    }
  })

  test('in the folders that their emitters make', () => {
    for (const host of ['netlify', 'cloudflare-pages', 'firebase', 'vercel']) {
      const { folder = '' } = EMITTERS.find(({ name }) => name === host)?.site ?? {}
      expect(folder.split('/')[0]).toBe(host)
      const program = programOf(host)
      const words = program.runs({ site: 'x' }).flat()
      if (host === 'netlify') expect(words).toContain(folder)
      else if (host === 'cloudflare-pages') expect(words.map(word => `${program.folder}/${word}`)).toContain(folder)
      else expect(program.folder === '' ? words.join(' ') : program.folder).toContain(host)
    }
  })
})

test('firebase hashes manifests anew, whose dates may be those of the manifests before', async () => {
  const lines = ['v2/app/blobs/sha256:a,1,x', 'v2/app/manifests/latest,1,y', '404.html,1,z', '']
  const caches = ['firebase/.firebase/hosting.c2l0ZQ.cache', '.firebase/hosting.cHVibGlj.cache']
  for (const cache of caches) {
    await mkdir(join(root, dirname(cache)), { recursive: true })
    await writeFile(join(root, cache), lines.join('\n'))
  }
  await writeFile(join(root, '.firebase', 'else'), 'v2/app/manifests/latest')
  await programOf('firebase').prepare?.(root)
  for (const cache of caches)
    expect((await readFile(join(root, cache), 'utf8')).split('\n')).toEqual(lines.filter(line => !/latest/.test(line)))
  expect(await readFile(join(root, '.firebase', 'else'), 'utf8')).toBe('v2/app/manifests/latest')
})

describe('where a site is seen', () => {
  test.each([
    ['netlify', 'my-site', 'my-site.netlify.app'],
    ['netlify', '01234567-89ab-cdef-0123-456789abcdef', undefined],
    ['netlify', undefined, undefined],
    ['cloudflare-pages', 'p', 'p.pages.dev'],
    ['firebase', 'p', 'p.web.app'],
    ['vercel', 'p', undefined],
  ])('%s of %s: %s by its name', (host, site, seen) => {
    expect(programOf(host).hostOf(site)).toBe(seen)
  })

  test.each([
    ['netlify', '{"site_name":"x","url":"https://pull.example.com"}', 'https://pull.example.com'],
    ['netlify', 'Checking\n{\n  "url": "https://pull.example.com"\n}', 'https://pull.example.com'],
    [
      'cloudflare-pages',
      '\u001b[32mTake a peek over at https://a1b2.p-x7k.pages.dev\u001b[39m',
      'https://p-x7k.pages.dev',
    ],
    ['firebase', 'Hosting URL: https://p-1.web.app\n', 'https://p-1.web.app'],
    ['vercel', 'https://p-abc-team.vercel.app', undefined],
  ])('%s, which says %j', async (host, stdout, url) => {
    const program = programOf(host)
    await putProgram(bin, program.name, { stdout })
    expect(await publishSite(program, { ...options, site: 's' })).toBe(url)
  })
})

describe('a program that ends well and names nothing that it published has failed', () => {
  test.each([
    ['netlify', 'Usage: netlify-lambda', 'netlify deploy', 'npm install netlify-cli@26'],
    ['netlify', '{"deploy_url":"https://a1--x.netlify.app"}', 'netlify deploy', 'npm install netlify-cli@26'],
    ['cloudflare-pages', 'done', 'wrangler pages deploy', 'npm install wrangler@4'],
    [
      'cloudflare-pages',
      "Deployment complete! However, we couldn't ascertain the final status\nVisit https://a1.p.pages.dev",
      'wrangler pages deploy',
      'npm install wrangler@4',
    ],
    ['firebase', 'Deploy complete!', 'firebase deploy', 'npm install firebase-tools'],
    ['vercel', 'no', 'vercel deploy', 'npm install vercel'],
  ])('%s, which says %j', async (host, stdout, call, install) => {
    const program = programOf(host)
    await putProgram(bin, program.name, { stdout, stderr: 'hashing\n' })
    await expect(publishSite(program, { ...options, site: 's' })).rejects.toMatchObject({
      code: 'tool-failed',
      message: `${call} said nothing of a published site: ${stdout.replace('\n', '; ')}`,
      hint: expect.stringMatching(new RegExp(`whether ${join(bin, program.name)} is the program meant; .*${install}`)),
    })
  })

  test('as has one that published a preview', async () => {
    const stdout = `${SAID['wrangler']}\n✨ Deployment alias URL: https://main.p.pages.dev\n`
    await putProgram(bin, 'wrangler', { stdout })
    await expect(publishSite(programOf('cloudflare-pages'), { ...options, site: 'p' })).rejects.toMatchObject({
      code: 'tool-failed',
      message: expect.stringContaining('published a preview at https://main.p.pages.dev'),
      hint: expect.stringContaining('--cloudflare-pages-branch'),
    })
    await putProgram(bin, 'wrangler', { stdout: SAID['wrangler'] ?? '' })
    await publishSite(programOf('cloudflare-pages'), { ...options, site: 'p', branch: 'live' })
    expect((await readRuns(bin, 'wrangler')).at(-1)?.args).toContain('live')
  })
})

describe('what a program says', () => {
  test('is passed on without colours; what is for programs is not', async () => {
    const said: string[] = []
    const told = { ...options, onLine: (line: string) => void said.push(line) }
    await putProgram(bin, 'netlify', {
      stdout: '{"url":"https://a.example"}',
      stderr: '\u001b[1m › hashing\u001b[0m\n\n│ 3 files │\n✘ [E] x\n✨\n',
    })
    await publishSite(programOf('netlify'), told)
    expect(said).toEqual(['hashing', '3 files', '[E] x'])
    said.length = 0
    await putProgram(bin, 'wrangler', { stdout: `uploading\n${SAID['wrangler']}\n` })
    await publishSite(programOf('cloudflare-pages'), told)
    expect(said).toEqual(['uploading', SAID['wrangler']])
  })

  test('last is the message where it fails, with the way to log in', async () => {
    await putProgram(bin, 'netlify', { stdout: '{}', stderr: 'one\ntwo\nNot logged in.\nPlease log in\n', code: 3 })
    await expect(publishSite(programOf('netlify'), options)).rejects.toMatchObject({
      code: 'tool-failed',
      message: 'netlify deploy failed with exit code 3: two; Not logged in.; Please log in',
      hint: expect.stringContaining('netlify login, or set NETLIFY_AUTH_TOKEN'),
    })
  })

  test('may be on its standard output only, or nothing', async () => {
    await putProgram(bin, 'wrangler', { stdout: 'Project not found\n', code: 1 })
    const published = publishSite(programOf('cloudflare-pages'), options)
    await expect(published).rejects.toThrow('wrangler pages deploy failed with exit code 1: Project not found')
    await putProgram(bin, 'wrangler', { code: 1 })
    await expect(publishSite(programOf('cloudflare-pages'), options)).rejects.toThrow('it said nothing')
  })

  test('first may be that it fails: nothing more is run', async () => {
    await putProgram(bin, 'vercel', { stderr: 'no such project\n', code: 1 })
    await expect(publishSite(programOf('vercel'), { ...options, site: 'p' })).rejects.toThrow('vercel link failed')
    expect(await readRuns(bin, 'vercel')).toHaveLength(1)
  })
})

describe('a program is looked for', () => {
  test('on the PATH first, then in node_modules of the root, of the folders above it, and of the current folder', async () => {
    const tree = join(root, 'a/b')
    const here = join(root, 'here')
    await mkdir(tree, { recursive: true })
    const places = [
      bin,
      join(tree, 'node_modules/.bin'),
      join(root, 'node_modules/.bin'),
      join(here, 'node_modules/.bin'),
    ]
    for (const [index, place] of places.entries())
      await putProgram(place, 'netlify', { stdout: SAID['netlify'] ?? '', stderr: `place ${index}\n` })
    const found: string[] = []
    for (const place of places) {
      const onLine = (line: string): void => void found.push(line)
      await publishSite(programOf('netlify'), { root: tree, cwd: here, env: { PATH: `:${bin}` }, onLine })
      await writeFile(join(place, 'netlify'), '', { mode: 0o644 })
      await chmod(join(place, 'netlify'), 0o644)
    }
    expect(found).toEqual(['place 0', 'place 1', 'place 2', 'place 3'])
    const missing = publishSite(programOf('netlify'), { root: tree, cwd: here, env: { PATH: bin } })
    await expect(missing).rejects.toMatchObject({
      code: 'tool-missing',
      hint: expect.stringContaining('npm install netlify-cli@26'),
    })
  })

  test('and a folder of its name is none', async () => {
    await mkdir(join(bin, 'netlify'), { recursive: true })
    await expect(publishSite(programOf('netlify'), options)).rejects.toMatchObject({ code: 'tool-missing' })
  })
})

test('nobody writes the site while it is published, and an interrupt ends the program', async () => {
  await putProgram(bin, 'netlify', { stderr: 'begun\n', endless: true })
  const controller = new AbortController()
  const emitting: Promise<unknown>[] = []
  const published = publishSite(programOf('netlify'), {
    ...options,
    signal: controller.signal,
    onLine() {
      emitting.push(tryNamedLock(root, 'emit').finally(() => controller.abort()))
    },
  })
  await expect(published).rejects.toMatchObject({ code: 'aborted' })
  expect(await Promise.all(emitting)).toEqual([undefined])
  const lock = await tryNamedLock(root, 'emit')
  expect(lock).toBeDefined()
  await lock?.release()
})
