import dns from 'node:dns'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { putProgram, readRuns } from '../support/fake-program.ts'
import { makeImage } from '../support/made-images.ts'
import { listen, makeSiteTree, type Ran, runLine, serveTree, VERCEL } from '../support/run-cli.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

/* What `deploy` asks of a live site before it replaces it: the programs are stand-ins, the live site is a server of this machine. */

let root: string
let bin: string

beforeEach(async () => {
  ;({ root, bin } = await makeSiteTree())
})
afterEach(() => void vi.unstubAllEnvs())

describe('a site that serves something already', () => {
  test('is replaced where the tree has all of it, and images are fetched back from there', async () => {
    const live = await serveTree(root)
    await putProgram(bin, 'vercel', VERCEL)
    const { code, out, err } = await run(`deploy --vercel --url ${live}`)
    expect({ code, out: out.length }).toEqual({ code: 0, out: 3 })
    expect(out[0]).toBe(`docker pull ${new URL(live).host}/app:1.0`)
    expect(err.join('\n')).toContain(`fetched back from ${live}: 3 images`)
  })

  test('is not replaced where repositories or tags would vanish, which are named; with --prune it is', async () => {
    const other = await makeTemporaryFolder()
    await writeTree(other, 'app', { latest: await makeImage(), old: await makeImage({ seed: 'old' }) })
    await writeTree(other, 'theirs', { latest: await makeImage() })
    const live = await serveTree(other)
    await putProgram(bin, 'vercel', VERCEL)
    const refused = await run(`deploy --vercel --url ${live}`)
    expect(refused.code).toBe(1)
    expect(refused.err.join('\n')).toContain(
      `lacks 1 repository and 1 tag (theirs, app:old) that ${new URL(live).host} serves: nothing was published`,
    )
    expect(await readRuns(bin, 'vercel')).toEqual([])
    expect(await readdir(root)).not.toContain('vercel')
    await run(`deploy --vercel --url ${live} --prune`)
    expect(await readRuns(bin, 'vercel')).toHaveLength(1)
  })

  test('fails the deploy where what is fetched back is not what was published', async () => {
    const empty = await makeTemporaryFolder()
    await mkdir(join(empty, 'v2'))
    const live = await serveTree(empty)
    await putProgram(bin, 'vercel', VERCEL)
    const { code, out, err } = await run(`deploy --vercel --url ${live}`)
    expect({ code, out }).toEqual({ code: 1, out: [] })
    expect(err.join('\n')).toContain(`published, but clients cannot pull all of it from ${live}`)
  })

  test.each([404, 200])('without a catalogue (%i) is said to be replaced', async status => {
    const live = await listen((_, response) => response.writeHead(status, { 'content-type': 'text/html' }).end('<p>Hi'))
    await putProgram(bin, 'vercel', VERCEL)
    const { err } = await run(`deploy --vercel --url ${live}`)
    expect(err.join('\n')).toContain(`${new URL(live).host} shows no catalogue, so whatever is there is replaced`)
    expect(await readRuns(bin, 'vercel')).toHaveLength(1)
  })

  test('that cannot be asked is left alone, and --prune replaces it', async () => {
    const live = await listen((_, response) => response.writeHead(403).end())
    const { host } = new URL(live)
    await putProgram(bin, 'vercel', VERCEL)
    const refused = await run(`deploy --vercel --url ${live}`)
    expect(refused.code).toBe(1)
    expect(refused.err.join('\n')).toContain(`what ${host} serves now cannot be read, so nothing was published: `)
    expect(refused.err.at(-1)).toBe(
      `  log in (docker login ${host}), or name a file with --authfile; or deploy with --url HOST to ask another address, with --prune to publish whatever is there`,
    )
    const planned = await run(`deploy --vercel --url ${live} --dry-run`)
    expect(planned).toMatchObject({ code: 1, out: [expect.stringContaining('to publish as a whole')] })
    expect(planned.err.join('\n')).toContain(`refused: what ${host} serves now cannot be read`)
    expect(await readRuns(bin, 'vercel')).toEqual([])
    const { err } = await run(`deploy --vercel --url ${live} --prune`)
    expect(err).toContain(
      `registrish: ${host} was not compared with this tree, and is replaced: ${host} shows nothing without a login`,
    )
    expect(await readRuns(bin, 'vercel')).toHaveLength(1)
  })

  test('is asked by its name; where the program names another address, that is printed and said', async () => {
    const asked: string[] = []
    vi.spyOn(dns, 'lookup').mockImplementation(((hostname: string, _: unknown, done: (error: Error) => void) => {
      asked.push(hostname)
      done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND', hostname }))
    }) as typeof dns.lookup)
    onTestFinished(() => void vi.restoreAllMocks())
    for (const name of ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']) vi.stubEnv(name, '')
    await putProgram(bin, 'wrangler', { stdout: 'Take a peek over at https://a1b2.my-site-x7k.pages.dev\n' })
    const { code, out, err } = await run('deploy --cloudflare-pages my-site --cloudflare-pages-branch live')
    expect({ code, asked }).toEqual({ code: 0, asked: ['my-site.pages.dev'] })
    expect(out[0]).toBe('docker pull my-site-x7k.pages.dev/app:1.0')
    expect(err.join('\n')).toContain('my-site.pages.dev shows no catalogue, so whatever is there is replaced')
    expect(err).toContainEqual(expect.stringContaining('give --url my-site-x7k.pages.dev from now on'))
    expect((await readRuns(bin, 'wrangler'))[0]?.args).toContain('live')
  })

  test('whose lists of tags cannot be read is left alone, and --prune replaces it', async () => {
    const live = await listen((request, response) => {
      if (request.url === '/v2/_catalog') response.end('{"repositories":["app"]}')
      else response.writeHead(request.url === '/v2/' ? 200 : 418).end()
    })
    await putProgram(bin, 'vercel', VERCEL)
    const { code } = await run(`deploy --vercel --url ${live}`)
    expect(code).toBe(1)
    expect(await readRuns(bin, 'vercel')).toEqual([])
    await run(`deploy --vercel --url ${live} --prune`)
    expect(await readRuns(bin, 'vercel')).toHaveLength(1)
  })
})

async function run(line: string): Promise<Ran> {
  return runLine(root, line)
}
