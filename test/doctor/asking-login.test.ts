import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ExamineOptions, examineRegistry } from '../../src/doctor/examine.ts'
import type { DoctorReport } from '../../src/doctor/report.ts'
import { apiError, json, type RegistryRequest } from '../support/registry-content.ts'
import { basicAuth, fails, only } from '../support/registry-faults.ts'
import { answersRight } from '../support/right-answers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type Hook, startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { makeWrongRegistryImages } from '../support/wrong-registry-images.ts'

/* Registries that want to know who asks. */

/** What /v2/ of ghcr.io names, whatever is asked for afterwards; nobody is given a token for it. */
const ELSEWHERE = 'repository:user/image:pull'

describe('a registry whose /v2/ names the scope of another repository', () => {
  test.each<[string, ScopedOptions]>([
    ['', {}],
    [', though it gives a token for that too', { refuses: () => false }],
  ])('is asked for the image with a token of its own%s', async (_, options) => {
    const { host } = await start(scoped(options))
    expect(troubles(await examine(`${host}/multi:latest`))).toEqual(['plain-http'])
  })

  test.each([401, 403])('is asked for another token where one is refused later by %d', async status => {
    const { host } = await start(scoped({ status, uses: 3 }))
    expect(troubles(await examine(`${host}/multi:latest`))).toEqual(['plain-http'])
  })

  test('is asked for the catalogue and for each list of tags with a token of its own', async () => {
    const { host } = await start(scoped({ refuses: () => false }))
    const report = await examine(host)
    expect(report.image).toBe('multi:latest')
    expect(troubles(report)).toEqual(['plain-http'])
  })

  test('is asked for no scope where none is named and no repository is meant', async () => {
    const { host, log } = await start(scoped({ ping: '', catalog: '' }))
    await examine(host)
    const asked = log.filter(({ path }) => path === '/token').map(({ query }) => query.get('scope'))
    expect(new Set(asked)).toEqual(new Set([null, 'repository:multi:pull', 'repository:single:pull', CHARTS]))
  })
})

const CHARTS = 'repository:charts/hello:pull'

test('a catalogue whose lists of tags are refused says so', async () => {
  const { host } = await start(only(/tags\/list$/, fails(403)))
  const report = await examine(host)
  expect(report.image).toBeUndefined()
  expect(reasonOf(report)).toContain(`GET http://${host}/v2/multi/tags/list is 403`)
})

describe('an image that is shown to nobody who is not logged in', () => {
  test.each<[string, Hook]>([
    ['by 401', basicAuth('user', 'secret')],
    ['by a token server that wants a password', scoped({ refuses: () => true })],
    ['by 403 to the token of nobody', only(/\/manifests\//, forbidden())],
  ])('%s is no image to try, and blames no files', async (_, hook) => {
    const { host } = await start(hook)
    const report = await examine(`${host}/multi:latest`)
    expect(report.image).toBeUndefined()
    expect(reasonOf(report)).toBe(
      `${host} wants a login for multi: docker login ${host}, then run it again, or name a file with --authfile`,
    )
    expect(failed(report)).toEqual([])
    expect(versionOf(report)?.fix ?? '').not.toContain('{}')
  })

  test('is looked at with a password', async () => {
    const { host } = await start(basicAuth('user', 'secret'))
    const report = await examine(`${host}/multi:latest`, { authFile: await logIn(host, 'secret') })
    expect(report.image).toBe('multi:latest')
    expect(troubles(report)).toEqual(['plain-http'])
  })

  test('is not shown to a wrong password either', async () => {
    const { host } = await start(basicAuth('user', 'secret'))
    const authFile = await logIn(host, 'wrong')
    expect(reasonOf(await examine(`${host}/multi:latest`, { authFile }))).toContain(
      `${host} does not show multi to the credentials from ${authFile}: docker login ${host}`,
    )
  })

  test('leads to a login where none was named', async () => {
    const { host } = await start(only(/^(?!.*_catalog)/, basicAuth('user', 'secret')))
    const report = await examine(host)
    expect(reasonOf(report)).toContain(`${host} wants a login for multi: docker login ${host}`)
    expect(versionOf(report)).toMatchObject({ outcome: 'caveat', fix: expect.stringContaining('docker login') })
  })

  test('fails where no token server is there to log in to', async () => {
    const { host } = await start(challenges('http://127.0.0.1:1/token'))
    const report = await examine(`${host}/multi:latest`)
    expect(reasonOf(report)).toContain(`nobody can log in to ${host}: 127.0.0.1:1 refuses connections`)
    expect(failed(report)).toEqual(['version'])
    expect(report.clients.map(({ verdict }) => verdict)).toEqual(report.clients.map(() => 'fails'))
  })
})

test('nobody logs in to write', async () => {
  const { host, log } = await start(
    only(/^(?:POST|GET) .*\/(?:manifests\/latest|token)$/, (request, next) =>
      request.method === 'POST' ? challenges(`http://${request.headers['host']}/token`)(request, next) : next(request),
    ),
  )
  await examine(`${host}/multi:latest`)
  expect(log.filter(({ method }) => method === 'POST')).toHaveLength(1)
  expect(log.filter(({ path, headers }) => path === '/token' || headers['authorization'] !== undefined)).toEqual([])
})

describe('a /v2/ that wants a login, before an image that needs none', () => {
  test.each<[string, Hook, readonly string[]]>([
    ['whose token server is not there', challenges('http://127.0.0.1:1/token'), ['docker', 'podman', 'crane']],
    ['whose token server refuses', scoped({ refuses: () => true }), ['docker', 'podman', 'crane']],
    ['and a password', basicAuth('user', 'secret'), ['docker']],
    ['whose token server gives tokens for images', scoped(), []],
  ])('%s', async (_, hook, clients) => {
    const { host } = await start(only(/^GET \/(?:v2\/|token)$/, hook))
    const report = await examine(`${host}/multi:latest`)
    expect(report.image).toBe('multi:latest')
    const cannot = report.clients.filter(({ verdict }) => verdict === 'fails')
    expect(cannot.map(({ client }) => client)).toEqual(clients)
    expect(failed(report)).toEqual(clients.length === 0 ? [] : ['version'])
  })
})

interface ScopedOptions {
  /** How a token is refused that is for something else, or used up. Default 401. */
  readonly status?: number
  /** How many requests a token is good for. Default: any number. */
  readonly uses?: number
  /** The scopes that /v2/ and the catalogue name. */
  readonly ping?: string
  readonly catalog?: string
  /** Scopes for which the token server gives no token. Default: that of /v2/. */
  readonly refuses?: (scope: string) => boolean
}

/** Wants a token for just what is asked for; /v2/ takes any. */
function scoped(options: ScopedOptions = {}): Hook {
  const {
    status = 401,
    ping = ELSEWHERE,
    catalog = 'registry:catalog:*',
    refuses = scope => scope === ELSEWHERE,
  } = options
  const { uses = Number.POSITIVE_INFINITY } = options
  const left = new Map<string, number>()
  return (request, next) => {
    const { path, headers, query } = request
    if (path === '/token') {
      const scope = query.get('scope') ?? ''
      if (refuses(scope)) return apiError(403, 'DENIED', 'not for you')
      const token = `for:${scope}#${left.size}`
      left.set(`Bearer ${token}`, uses)
      return json(200, { token })
    }
    const repository = repositoryOf(request)
    const scope = repository === undefined ? (path === '/v2/' ? ping : catalog) : `repository:${repository}:pull`
    const sent = headers['authorization'] ?? ''
    const remaining = left.get(sent) ?? 0
    left.set(sent, remaining - 1)
    if (remaining > 0 && (path === '/v2/' || sent.startsWith(`Bearer for:${scope}#`))) return next(request)
    return challenges(`http://${headers['host']}/token`, scope, sent === '' ? 401 : status)(request, next)
  }
}

function repositoryOf({ path }: RegistryRequest): string | undefined {
  return /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(path)?.[1]
}

/** Refuses everybody, and says where tokens are to be had. */
function challenges(realm: string, scope = '', status = 401): Hook {
  const named = scope === '' ? '' : `,scope="${scope}"`
  return fails(status, { 'www-authenticate': `Bearer realm="${realm}",service="test"${named}` })
}

/** Gives everybody a token, which opens nothing. */
function forbidden(): Hook {
  return (request, next) => {
    const isAnonymous = request.headers['authorization'] === undefined
    const realm = `http://${request.headers['host']}/token`
    return isAnonymous ? challenges(realm)(request, next) : fails(403)(request, next)
  }
}

async function start(hook: Hook): Promise<TestRegistry> {
  const { repositories } = await makeWrongRegistryImages('login')
  const tokens = only(/\/token$/, () => json(200, { token: 'anybody' }))
  const hooks = [hook, tokens]
  const registry = await startTestRegistry({ repositories, hooks, hook: answersRight(Object.keys(repositories)) })
  onTestFinished(registry.close)
  return registry
}

async function logIn(host: string, password: string): Promise<string> {
  const authFile = join(await makeTemporaryFolder(), 'auth.json')
  const auth = Buffer.from(`user:${password}`).toString('base64')
  await writeFile(authFile, JSON.stringify({ auths: { [host]: { auth } } }))
  return authFile
}

async function examine(target: string, options: ExamineOptions = {}): Promise<DoctorReport> {
  const authFile = join(await makeTemporaryFolder(), 'none.json')
  await writeFile(authFile, '{}')
  return examineRegistry(target, { authFile, env: {}, sleep: async () => {}, ...options })
}

function troubles({ checks }: DoctorReport): readonly string[] {
  return checks.filter(({ outcome }) => outcome === 'caveat' || outcome === 'failed').map(({ check }) => check)
}

function failed({ checks }: DoctorReport): readonly string[] {
  return checks.filter(({ outcome }) => outcome === 'failed').map(({ check }) => check)
}

function reasonOf({ checks }: DoctorReport): string | undefined {
  return checks.find(({ check }) => check === 'manifest-bytes')?.text
}

function versionOf({ checks }: DoctorReport): DoctorReport['checks'][number] | undefined {
  return checks.find(({ check }) => check === 'version')
}
