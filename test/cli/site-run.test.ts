import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadCommand } from '../../src/cli/commands.ts'
import { putProgram, readRuns } from '../support/fake-program.ts'
import { makeImage } from '../support/made-images.ts'
import { makeSiteTree, type Ran, runLine, serveTree, VERCEL } from '../support/run-cli.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

/* `deploy` and `plan` of sites that are published as a whole: the programs are stand-ins, the live site is a server of this machine. */

let root: string
let bin: string

beforeEach(async () => {
  ;({ root, bin } = await makeSiteTree())
})
afterEach(() => void vi.unstubAllEnvs())

describe('deploy', () => {
  test('makes the site, has it published, and prints the lines to pull by', async () => {
    await putProgram(bin, 'vercel', { ...VERCEL, stderr: 'Uploading\n' })
    const { code, out, err } = await run('deploy --vercel my-project')
    expect({ code, out }).toEqual({ code: 0, out: [] })
    expect(err.join('\n')).toContain('vercel: unproven: ')
    expect(err).toContain('vercel: Uploading')
    expect(err).toContainEqual(
      expect.stringMatching(
        /^Vercel my-project: published 3 tags of 2 repositories, \d+ files, [\d.]+ kB in \d+\.\d s$/,
      ),
    )
    expect(err.at(-1)).toContain('to be told what to type, and to have images fetched back')
    expect(existsSync(join(root, 'vercel/.vercel/output/config.json'))).toBe(true)
    expect((await readRuns(bin, 'vercel')).map(({ args }) => args[0])).toEqual(['link', 'deploy'])
  })

  test('afterwards the host is in use', async () => {
    await putProgram(bin, 'vercel', VERCEL)
    await run('deploy --vercel')
    await writeTree(root, 'later', { latest: await makeImage({ seed: 'later' }) })
    expect((await run('emit')).out.join('\n')).toContain('vercel: ')
  })

  test('takes the site that was linked where none is named, and its address from what the program says', async () => {
    await putProgram(bin, 'netlify', { stdout: JSON.stringify({ url: 'https://pull.example.com' }) })
    const { code, out, err } = await run('deploy --netlify --quiet')
    expect({ code, err }).toEqual({ code: 0, err: [] })
    expect(out).toEqual([
      'docker pull pull.example.com/app:1.0',
      'docker pull pull.example.com/app:latest',
      'docker pull pull.example.com/team/tool:latest',
    ])
    expect((await readRuns(bin, 'netlify'))[0]?.args).not.toContain('--site')
  })

  test('is a document for programs', async () => {
    await putProgram(bin, 'netlify', { stdout: JSON.stringify({ url: 'https://pull.example.com' }) })
    const { out } = await run('deploy --netlify --output json')
    expect(JSON.parse(out.join('\n'))).toMatchObject({
      target: 'netlify',
      title: 'Netlify',
      url: 'https://pull.example.com',
      files: expect.any(Number),
      tags: [{ repository: 'app', tag: '1.0', pull: 'docker pull pull.example.com/app:1.0' }, {}, {}],
    })
  })

  test('says how to get the program before it makes anything', async () => {
    const { code, err } = await run('deploy --netlify')
    expect(code).toBe(1)
    expect(err.join('\n')).toContain('npm install netlify-cli@26')
    expect(await readdir(root)).not.toContain('netlify')
  })

  test('fails with what the program says, and has the site made for the next time', async () => {
    await putProgram(bin, 'vercel', { stderr: 'Error: no credentials\n', code: 1 })
    const { code, err } = await run('deploy --vercel')
    expect(code).toBe(1)
    expect(err.join('\n')).toContain(
      'vercel deploy failed with exit code 1: Error: no credentials\n  to log in: vercel login',
    )
  })

  test('publishes no image that lacks something, and no empty tree', async () => {
    await putProgram(bin, 'vercel', VERCEL)
    const [blob = ''] = await readdir(join(root, 'v2/team/tool/blobs'))
    await rm(join(root, 'v2/team/tool/blobs', blob))
    const { code, err } = await run('deploy --vercel')
    expect(code).toBe(1)
    expect(err.join('\n')).toMatch(/refused: team\/tool@\S+ lacks \S+/)
    expect(err.at(-1)).toBe('registrish: nothing was published')
    expect((await run('plan --vercel')).code).toBe(1)
    await rm(join(root, 'v2'), { recursive: true })
    await mkdir(join(root, 'v2'))
    expect((await run('deploy --vercel')).code).toBe(64)
    expect(await readRuns(bin, 'vercel')).toEqual([])
  })

  test('publishes nothing that the host cannot hold', async () => {
    await putProgram(bin, 'netlify')
    await writeTree(root, 'app', { RC1: await makeImage(), rc1: await makeImage({ docker: true }) })
    const { code, err } = await run('deploy --netlify')
    expect(code).toBe(1)
    expect(err.join('\n')).toContain('differ only by case')
    expect(await readRuns(bin, 'netlify')).toEqual([])
  })
})

describe('plan', () => {
  test.each(['plan --vercel', 'deploy --vercel --dry-run'])(
    '%s says what would be published, and does nothing',
    async line => {
      const before = await readdir(root)
      const { code, out, err } = await run(line)
      expect(code).toBe(0)
      expect(out).toEqual([
        expect.stringMatching(/^Vercel: to publish as a whole: 3 tags of 2 repositories, \d+ files, [\d.]+ kB$/),
      ])
      expect(err.join('\n')).toContain('vercel: unproven: ')
      expect(await readdir(root)).toEqual(before)
    },
  )

  test('says as many files as the site then has', async () => {
    const { out } = await run('plan --netlify -o json')
    const planned = JSON.parse(out.join('\n')) as { readonly files: number; readonly bytes: number }
    await run('emit --host netlify')
    const entries = await readdir(join(root, 'netlify/site'), { recursive: true, withFileTypes: true })
    const files = entries.filter(entry => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
    expect(planned.files).toBe(files.length)
    const firstLines = await Promise.all(
      files.filter(isRuleFile).map(async file => (await readFile(file, 'utf8')).split('\n')[0]),
    )
    const sizes = await Promise.all(files.map(async file => (await readFile(file)).length))
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
    expect(planned.bytes).toBe(sum(sizes) - sum(firstLines.map(line => `${line}\n`.length)))
  })

  test('says what would vanish, and exits with 1', async () => {
    const other = await makeTemporaryFolder()
    await writeTree(other, 'theirs', { latest: await makeImage() })
    const live = await serveTree(other)
    const { code, out, err } = await run(`deploy --vercel --url ${live} --dry-run`)
    expect(code).toBe(1)
    expect(out.at(-1)).toBe('Vercel: to vanish: 1 repository (theirs)')
    expect(err.join('\n')).toContain('refused: a site is replaced as a whole')
    const pruned = await run(`deploy --vercel --url ${live} --dry-run --prune -o json`)
    expect(pruned.code).toBe(0)
    expect(JSON.parse(pruned.out.join('\n'))).toMatchObject({ vanishing: { repositories: ['theirs'], tags: [] } })
  })

  test('says what the host cannot hold', async () => {
    await writeTree(root, 'app', { RC1: await makeImage(), rc1: await makeImage({ docker: true }) })
    const { code, err } = await run('plan --netlify')
    expect(code).toBe(1)
    expect(err.join('\n')).toContain('differ only by case')
  })
})

describe('command lines that make no sense', () => {
  test.each([
    ['deploy --netlify s --prune --grace 1h', '--grace means nothing for --netlify'],
    ['deploy --firebase p --prune --force', '--force means nothing for --firebase'],
    ['plan --cloudflare-pages p --check-headers', '--check-headers means nothing for --cloudflare-pages'],
    ['plan --vercel --detailed-exitcode', '--detailed-exitcode means nothing for --vercel'],
    ['deploy --netlify https://my-site.netlify.app', 'as in --netlify my-site;'],
    ['deploy --netlify my-site.netlify.app', 'as in --netlify my-site;'],
    ['deploy --netlify my_site', '"my_site" is no name of a site'],
    ['deploy --netlify a-', '"a-" is no name of a site'],
    ['deploy --cloudflare-pages My-Project', 'lower-case letters, digits, and hyphens between them'],
    ['deploy --firebase site..x', '"site..x" is no name of a site'],
    ['deploy --vercel a/b', '"a/b" is no name of a site'],
    ['deploy --cloudflare-pages p --cloudflare-pages-branch=-x', '"-x" is no name of a branch'],
    ['deploy --vercel --cloudflare-pages-branch b', '--cloudflare-pages-branch is about --cloudflare-pages'],
    ['deploy --netlify -x', 'does not take -x'],
    ['deploy --firebase', '--firebase needs a value'],
    ['deploy --netlify a --vercel b', 'one place at a time: --netlify [SITE] or --vercel [PROJECT]'],
    ['deploy --netlify --s3-path-style', '--s3-path-style is about --s3'],
  ])('%s', async (line, message) => {
    const { code, err } = await run(line)
    expect(code).toBe(64)
    expect(err.join('\n')).toContain(message)
    expect(err.join('\n')).toMatch(/\n {2}\S/)
  })
})

test('the examples of the help are command lines that make sense', async () => {
  const examples = (await loadCommand('deploy'))?.examples ?? []
  const lines = examples.filter(({ line }) => !line.includes('--s3')).map(({ line }) => line)
  expect(lines.length).toBeGreaterThan(0)
  for (const line of lines) expect(line).toMatch(/^registrish deploy --(netlify|cloudflare-pages|firebase|vercel)/)
})

function isRuleFile(file: string): boolean {
  return /\/_(?:headers|redirects)$/.test(file)
}

async function run(line: string): Promise<Ran> {
  return runLine(root, line)
}
