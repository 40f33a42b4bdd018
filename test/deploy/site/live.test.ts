import dns from 'node:dns'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { parsePublicHost } from '../../../src/deploy/public-host.ts'
import { type LiveOptions, type LiveTags, readLive } from '../../../src/deploy/site/live.ts'
import { type RegistrishError, systemCode } from '../../../src/errors.ts'
import { listen } from '../../support/run-cli.ts'

/* What a live site serves is known, or it is clear that no registry is there; everything else is an error. */

afterEach(() => void vi.restoreAllMocks())

describe('the repositories and tags of a site', () => {
  test('are read page by page', async () => {
    const seen = await look({
      '/v2/_catalog': page(['a', 'b'], '/v2/_catalog?last=b'),
      '/v2/_catalog?last=b': page(['b', 'c']),
      '/v2/a/tags/list': '{"tags":["1","2"]}',
      '/v2/b/tags/list': '{"tags":[]}',
      // No list: it has no tags to lose.
      '/v2/c/tags/list': 404,
    })
    expect(seen).toEqual(
      new Map([
        ['a', new Set(['1', '2'])],
        ['b', new Set()],
        ['c', new Set()],
      ]),
    )
  })

  test('are those with a name that clients can pull; others are named', async () => {
    const onNote = vi.fn()
    const site = { '/v2/_catalog': page(['theirs', 'Odd', 7]), '/v2/theirs/tags/list': '{"tags":["1"]}' }
    expect(await look(site, { onNote })).toEqual(new Map([['theirs', new Set(['1'])]]))
    expect(onNote).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(/lists names that no client can pull, which are passed over: "Odd", "7"$/),
    )
  })
})

describe('no registry is there', () => {
  test.each<[string, Site]>([
    ['where nothing is', {}],
    ['where a page is', { '/v2/_catalog': '<p>Hi' }],
    ['where JSON is that is no catalogue', { '/v2/_catalog': '{"tags":[]}' }],
  ])('%s', async (_, site) => {
    expect(await look(site)).toMatchObject({ code: expect.stringMatching(/not-found|bad-answer/) })
  })

  test('where the name of a new project leads nowhere', async () => {
    loseHosts()
    const host = parsePublicHost('new-project.pages.dev')
    expect(await readLive(optionsFor(host))).toMatchObject({ code: 'unreachable' })
  })
})

describe('what is there cannot be known', () => {
  test.each([
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [408, 'timeout'],
    [418, 'bad-answer'],
    [429, 'rate-limited'],
    [503, 'unreachable'],
  ])('where the catalogue is answered with %i', async (status, code) => {
    await expect(look({ '/v2/_catalog': status })).rejects.toMatchObject({ code })
  })

  test.each<[string, Site]>([
    ['is not there', {}],
    ['is a page of something else', { '/v2/_catalog?last=theirs': '<p>Hi' }],
    ['cannot be read', { '/v2/_catalog?last=theirs': 418 }],
  ])('where the second page of the catalogue %s', async (_, rest) => {
    const site = { '/v2/_catalog': page(['theirs'], '/v2/_catalog?last=theirs'), '/v2/theirs/tags/list': '{}', ...rest }
    await expect(look(site)).rejects.toMatchObject({ side: expect.any(String) })
  })

  test('where the second page of a list of tags is not there', async () => {
    const site = {
      '/v2/_catalog': page(['app']),
      '/v2/app/tags/list?n=1000': ['{"tags":["1"]}', '/v2/app/tags/list?last=1'] as const,
      '/v2/app/tags/list': '{"tags":["1"]}',
    }
    await expect(look(site)).rejects.toMatchObject({ code: 'not-found' })
  })

  test('where another host answers, which knows nothing of this one', async () => {
    const elsewhere = await listen((_, response) => response.end('<p>Log in'))
    const live = await listen((_, response) => response.writeHead(302, { location: `${elsewhere}/login` }).end())
    await expect(readLive(optionsFor(parsePublicHost(live)))).rejects.toMatchObject({ code: 'bad-answer' })
  })

  test('where nothing listens', async () => {
    const server = createServer()
    await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => void server.close(resolve))
    const host = parsePublicHost(`http://127.0.0.1:${port}`)
    await expect(readLive(optionsFor(host))).rejects.toMatchObject({ code: 'unreachable' })
  })

  test('where a host that the user named leads nowhere, or the proxy does', async () => {
    loseHosts()
    const host = parsePublicHost('new-project.pages.dev')
    const named = readLive({ ...optionsFor(host), isDerived: false })
    await expect(named).rejects.toSatisfy((error: RegistrishError) => systemCode(error.cause) === 'ENOTFOUND')
    const proxied = readLive({ ...optionsFor(host), env: { HTTPS_PROXY: 'http://proxy.example:3128' } })
    await expect(proxied).rejects.toThrow('there is no host called the proxy proxy.example:3128')
  })
})

/** Answers by path: a status, a body, or a body and the path of the next page. A path without a query answers those with one too. */
type Site = Readonly<Record<string, number | string | readonly [body: string, next: string]>>

function page(repositories: readonly unknown[], next?: string): Site[string] {
  const body = JSON.stringify({ repositories })
  return next === undefined ? body : [body, next]
}

async function look(site: Site, options: Partial<LiveOptions> = {}): Promise<LiveTags | RegistrishError> {
  const live = await listen(({ url = '' }, response) => {
    const answer = site[url] ?? (url.includes('last=') ? 404 : (site[url.replace(/\?.*/, '')] ?? 404))
    if (typeof answer === 'number') return response.writeHead(answer).end()
    if (typeof answer === 'string') return response.end(answer)
    return response.setHeader('link', `<${answer[1]}>; rel="next"`).end(answer[0])
  })
  return readLive({ ...optionsFor(parsePublicHost(live)), ...options })
}

function optionsFor(host: LiveOptions['host']): LiveOptions {
  return { host, jobs: 2, isDerived: true, onNote: () => {}, env: {}, home: '/nowhere', sleep: async () => {} }
}

/** No name leads anywhere. */
function loseHosts(): void {
  vi.spyOn(dns, 'lookup').mockImplementation(((hostname: string, _: unknown, done: (error: Error) => void) => {
    done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND', hostname }))
  }) as typeof dns.lookup)
}
