import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createCredentialFinder } from '../../src/http/credentials.ts'
import { failureOf } from '../registry/registry-support.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const encode = (text: string): string => Buffer.from(text).toString('base64')
const auths = (key: string, user: string): object => ({ auths: { [key]: { auth: encode(`${user}:secret`) } } })

/** Writes files below a folder; objects as JSON. */
async function writeAll(home: string, files: Readonly<Record<string, object | string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(home, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  }
}

describe('credentials are looked for', () => {
  const PLACES: readonly string[] = [
    'DOCKER_AUTH_CONFIG',
    'named.json',
    'docker/config.json',
    'run/containers/auth.json',
    '.config/containers/auth.json',
  ]

  test('in the field’s order: the first place that has any wins', async () => {
    for (let first = 0; first <= PLACES.length; first += 1) {
      const home = await makeTemporaryFolder()
      const there = PLACES.slice(first)
      await writeAll(
        home,
        Object.fromEntries(
          there.filter(name => name.includes('/') || name.includes('.')).map(name => [name, auths('host:5000', name)]),
        ),
      )
      const env = {
        REGISTRY_AUTH_FILE: join(home, 'named.json'),
        DOCKER_CONFIG: join(home, 'docker'),
        XDG_RUNTIME_DIR: join(home, 'run'),
        ...(first === 0 ? { DOCKER_AUTH_CONFIG: JSON.stringify(auths('host:5000', 'DOCKER_AUTH_CONFIG')) } : {}),
      }
      const { credentials, places } = await createCredentialFinder({ env, home }).find('host:5000', 'app')
      expect(credentials).toEqual(
        there[0] === undefined
          ? undefined
          : {
              kind: 'password',
              username: there[0],
              password: 'secret',
              origin: first === 0 ? 'the variable DOCKER_AUTH_CONFIG' : join(home, there[0]),
            },
      )
      expect(places).toHaveLength(first === 0 ? 5 : 4)
    }
  })

  test('in Docker’s file at home where nothing else is said', async () => {
    const home = await makeTemporaryFolder()
    await writeAll(home, { '.docker/config.json': auths('host', 'u') })
    const { credentials, places } = await createCredentialFinder({ env: {}, home }).find('host', 'app')
    expect(credentials).toMatchObject({ username: 'u' })
    expect(places).toEqual([join(home, '.docker/config.json'), join(home, '.config/containers/auth.json')])
  })

  test('in no other file than the one that was named', async () => {
    const home = await makeTemporaryFolder()
    await writeAll(home, { '.docker/config.json': auths('host', 'u'), 'mine.json': auths('other', 'm') })
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify(auths('host', 'e')) }
    const finder = createCredentialFinder({ env, home, authFile: join(home, 'mine.json') })
    expect(await finder.find('host', 'app')).toEqual({ places: [join(home, 'mine.json')] })
    expect((await finder.find('other', 'app')).credentials).toMatchObject({ username: 'm' })
  })

  test('further on where a file has none for that registry', async () => {
    const home = await makeTemporaryFolder()
    await writeAll(home, {
      '.docker/config.json': auths('other', 'o'),
      '.config/containers/auth.json': auths('host', 'u'),
    })
    const { credentials } = await createCredentialFinder({ env: {}, home }).find('host', 'app')
    expect(credentials).toMatchObject({ username: 'u' })
  })

  test('no further than needed: a broken file behind the one that has them is not read', async () => {
    const home = await makeTemporaryFolder()
    await writeAll(home, { '.docker/config.json': auths('host', 'u'), '.config/containers/auth.json': '{' })
    const finder = createCredentialFinder({ env: {}, home })
    expect((await finder.find('host', 'app')).credentials).toMatchObject({ username: 'u' })
    expect(await failureOf(finder.find('other', 'app'))).toMatchObject({ code: 'usage' })
  })

  test('though the entry of another registry is broken; its own error is for that one', async () => {
    const entries = { auths: { bad: 'x', host: { auth: encode('u:p') } } }
    const finder = createCredentialFinder({ env: { DOCKER_AUTH_CONFIG: JSON.stringify(entries) }, home: '/nowhere' })
    expect((await finder.find('host', 'app')).credentials).toMatchObject({ username: 'u' })
    expect(await failureOf(finder.find('bad', 'app'))).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('the entry of bad is no object'),
    })
  })

  test('under every name of Docker Hub', async () => {
    for (const key of ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'https://registry-1.docker.io']) {
      const env = { DOCKER_AUTH_CONFIG: JSON.stringify(auths(key, 'hub')) }
      const finder = createCredentialFinder({ env, home: '/nowhere' })
      expect((await finder.find('docker.io', 'library/alpine')).credentials).toMatchObject({ username: 'hub' })
    }
  })

  test('by podman’s longest path', async () => {
    const keys = ['host', 'host/team', 'host/team/app', 'host/te']
    const config = { auths: Object.fromEntries(keys.map(key => [key, { auth: encode(`${key}:p`) }])) }
    const finder = createCredentialFinder({ env: { DOCKER_AUTH_CONFIG: JSON.stringify(config) }, home: '/nowhere' })
    const userOf = async (repository: string): Promise<unknown> => (await finder.find('host', repository)).credentials
    expect(await userOf('team/app/x')).toMatchObject({ username: 'host/team/app' })
    expect(await userOf('team/other')).toMatchObject({ username: 'host/team' })
    expect(await userOf('team')).toMatchObject({ username: 'host/team' })
    expect(await userOf('tea')).toMatchObject({ username: 'host' })
  })

  test('in a named file that has to be there', async () => {
    const finder = createCredentialFinder({ env: {}, home: '/nowhere', authFile: '/nowhere/auth.json' })
    for (const promise of [finder.check(), finder.find('host', 'app')]) {
      const error = await failureOf(promise)
      expect(error).toMatchObject({ code: 'usage', message: 'there is no credentials file /nowhere/auth.json' })
      expect(error.hint).toContain('--authfile')
    }
    await createCredentialFinder({ env: {}, home: '/nowhere' }).check()
  })
})

describe('a credential helper', () => {
  test('of the registry is asked before the helper for all, and that before the entries', async () => {
    const helpers = { one: answers('one', 'p'), all: answers('all', 'p') }
    const { find, asked } = await withHelpers(helpers, {
      credHelpers: { 'host:5000': 'one' },
      credsStore: 'all',
      ...auths('other', 'entry'),
    })
    expect(await find('host:5000')).toMatchObject({ kind: 'password', username: 'one', password: 'p' })
    expect(await find('other')).toMatchObject({ username: 'all' })
    expect(await asked('one')).toEqual(['host:5000'])
    expect(await asked('all')).toEqual(['other'])
  })

  test('is named as the origin', async () => {
    const { find, config } = await withHelpers({ all: answers('u', 'p') }, { credsStore: 'all' })
    expect((await find('host'))?.origin).toBe(`docker-credential-all (named in ${config})`)
  })

  test('is asked once for each key, and only for that of the registry', async () => {
    const { find, asked } = await withHelpers({ all: answers('u', 'p') }, { credsStore: 'all' })
    await Promise.all([find('a'), find('a'), find('b')])
    await find('a')
    expect((await asked('all')).toSorted()).toEqual(['a', 'b'])
  })

  test('knows Docker Hub by its old address', async () => {
    const { find, asked } = await withHelpers({ all: answers('u', 'p') }, { credsStore: 'all' })
    expect(await find('docker.io')).toMatchObject({ username: 'u' })
    expect(await asked('all')).toEqual(['https://index.docker.io/v1/'])
  })

  test('gives an identity token for the user <token>', async () => {
    const { find } = await withHelpers({ all: answers('<token>', 'id') }, { credsStore: 'all' })
    expect(await find('host')).toMatchObject({ kind: 'identity', token: 'id' })
  })

  test('that has none leaves it at the entry, or at nothing', async () => {
    const none = 'echo "credentials not found in native keychain"; exit 1'
    const { find } = await withHelpers({ all: none }, { credsStore: 'all', ...auths('host', 'entry') })
    expect(await find('host')).toMatchObject({ username: 'entry' })
    expect(await find('other')).toBeUndefined()
  })

  test('that is not installed is named, with the file that names it', async () => {
    const { find, config } = await withHelpers({}, { credsStore: 'gone' })
    const error = await failureOf(find('host'))
    expect(error).toMatchObject({
      code: 'tool-missing',
      message: `docker-credential-gone, which ${config} names, is not installed`,
    })
    expect(error.hint).toContain('--authfile')
  })

  test.each([
    ['fails', 'echo "the keychain is locked" >&2; exit 3', 'the keychain is locked'],
    ['fails in silence', 'exit 3', 'it gave no reason'],
    ['fails with credentials in hand', `echo '{"Username":"u","Secret":"secret"}'; exit 1`, 'it gave no reason'],
    ['answers no JSON', 'echo "password: secret"', 'it did not answer with credentials'],
    ['answers without a secret', `echo '{"Username":"u"}'`, 'it did not answer with credentials'],
  ])('that %s is named with its reason and nothing it should keep', async (_, script, reason) => {
    const { find, config } = await withHelpers({ all: script }, { credsStore: 'all' })
    const error = await failureOf(find('host'))
    expect(error).toMatchObject({
      code: 'tool-failed',
      message: `docker-credential-all, which ${config} names, failed: ${reason}`,
    })
    expect(`${error.stack}${JSON.stringify(error.cause)}`).not.toContain('secret')
  })

  test.each(['../evil', 'a b', 'x;y'])('is never a path or a shell’s words: %j', async name => {
    const { find } = await withHelpers({}, { credsStore: name })
    expect(await failureOf(find('host'))).toMatchObject({ code: 'tool-failed' })
  })
})

/** A helper's script that gives these credentials. */
function answers(username: string, secret: string): string {
  return `echo '${JSON.stringify({ ServerURL: 'x', Username: username, Secret: secret })}'`
}

interface Helped {
  readonly config: string
  find(registry: string): ReturnType<typeof findWith>
  /** What a helper was asked for, in order. */
  asked(name: string): Promise<readonly string[]>
}

/** Puts helpers on a PATH of their own: shell scripts that note what they read from their input. */
async function withHelpers(scripts: Readonly<Record<string, string>>, config: object): Promise<Helped> {
  const home = await makeTemporaryFolder()
  await writeAll(home, { '.docker/config.json': config })
  for (const [name, script] of Object.entries(scripts)) {
    const file = join(home, 'bin', `docker-credential-${name}`)
    const note = `[ "$*" = get ] || exit 9\necho "$(cat)" >> ${home}/${name}.log`
    await writeAll(home, { [`bin/docker-credential-${name}`]: `#!/bin/sh\n${note}\n${script}\n` })
    await chmod(file, 0o755)
  }
  const env = { PATH: `${join(home, 'bin')}:/usr/bin:/bin` }
  const finder = createCredentialFinder({ env, home })
  return {
    config: join(home, '.docker/config.json'),
    find: registry => findWith(finder, registry),
    async asked(name) {
      return (await readFile(join(home, `${name}.log`), 'utf8')).trim().split('\n')
    },
  }
}

async function findWith(
  finder: ReturnType<typeof createCredentialFinder>,
  registry: string,
): Promise<Awaited<ReturnType<typeof finder.find>>['credentials']> {
  return (await finder.find(registry, 'app')).credentials
}
