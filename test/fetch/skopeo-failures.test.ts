import { readdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { explainSkopeo } from '../../src/fetch/skopeo-errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { failure } from '../layout/layout-support.ts'
import { makeFakeSkopeo, openSkopeo } from './skopeo-support.ts'

const DIGEST = digestOf('image')

describe('the program', () => {
  test('that is absent is named, with the line that installs it', async () => {
    for (const command of ['skopeo-that-is-absent', '/absent/skopeo']) {
      const { source } = await openSkopeo('alpine', { command })
      for (const doing of [() => source.resolve('any', 'latest'), () => source.tags?.('any')]) {
        const error = await failure(Promise.resolve(doing()))
        expect(error).toMatchObject({ code: 'tool-missing', hint: expect.stringContaining('apt-get install skopeo') })
        expect(error.message).toContain(command)
      }
    }
  })

  test('is found on the PATH', async () => {
    const { command } = await makeFakeSkopeo('echo found >&2', 'exit 1')
    const before = process.env['PATH']
    process.env['PATH'] = `${dirname(command)}:${before}`
    onTestFinished(() => {
      process.env['PATH'] = before
    })
    const { source } = await openSkopeo('alpine')
    expect(await failure(source.resolve('any', 'latest'))).toMatchObject({
      code: 'tool-failed',
      message: 'skopeo cannot copy docker://docker.io/library/alpine:latest: found',
    })
  })

  test('gets each argument as it is, whatever is in it, and every option', async () => {
    const fake = await makeFakeSkopeo('exit 1')
    const { source, folder } = await openSkopeo('dir:/tmp/$(id) "x";y', {
      ...fake,
      authfile: '/a b/auth.json',
      tlsVerify: false,
      retryTimes: 7,
    })
    await failure(source.resolve('any', 'latest'))
    const temporary = expect.stringContaining(folder)
    expect(await fake.arguments()).toEqual([
      ...['--tmpdir', temporary, 'copy', '--quiet', '--remove-signatures', '--all', '--preserve-digests'],
      ...['--retry-times', '7', '--src-authfile', '/a b/auth.json', '--src-tls-verify=false'],
      ...['dir:/tmp/$(id) "x";y', expect.stringMatching(/^oci:.*:image-1$/)],
    ])
  })

  test.each([
    ['docker://ghcr.io/o/app', true],
    ['docker://localhost:5000/app', false],
    ['containers-storage:localhost/app', false],
  ])('verifies TLS for %s: %s', async (text, verifies) => {
    const fake = await makeFakeSkopeo('exit 1')
    const { source } = await openSkopeo(text, fake)
    await failure(source.resolve('any', 'latest'))
    expect((await fake.arguments()).includes('--src-tls-verify=false')).toBe(!verifies)
  })

  test('is not run for what is neither a tag nor a digest', async () => {
    const fake = await makeFakeSkopeo('exit 1')
    const { source } = await openSkopeo('alpine', fake)
    for (const reference of ['a b', '--all', '../x', '', 'sha256:0']) {
      expect((await failure(source.resolve('any', reference))).code).toBe('name-invalid')
    }
    await expect(fake.arguments()).rejects.toThrow('ENOENT')
  })

  test('is stopped when that is asked for, and what it made is removed', async () => {
    const fake = await makeFakeSkopeo('echo pid $$ >> "$0.pid"', 'exec sleep 600')
    const { source, folder } = await openSkopeo('alpine', fake)
    const abort = new AbortController()
    const running = failure(source.resolve('any', 'latest', { signal: abort.signal }))
    const pid = await vi.waitFor(async () => readPid(`${fake.command}.pid`), { timeout: 10_000 })
    abort.abort()
    expect((await running).code).toBe('aborted')
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    expect((await failure(source.resolve('any', 'latest', { signal: abort.signal }))).code).toBe('aborted')
    await source.close()
    expect(await readdir(folder)).toEqual([])
  })

  test('that answers nonsense to list-tags has failed', async () => {
    for (const answer of ['nothing', '[]', '{"Tags":[1]}']) {
      const { source } = await openSkopeo('alpine', await makeFakeSkopeo(`echo '${answer}'`))
      expect((await failure(source.tags?.('any') ?? Promise.resolve())).code).toBe('tool-failed')
    }
  })

  test('is not run where the certificate authority cannot be read', async () => {
    const fake = await makeFakeSkopeo('exit 1')
    const { source } = await openSkopeo('alpine', { ...fake, caFile: '/absent/ca.pem' })
    const error = await failure(source.resolve('any', 'latest'))
    expect(error.message).toContain('/absent/ca.pem')
    await expect(fake.arguments()).rejects.toThrow('ENOENT')
  })

  test('is not run where no temporary folder can be made, and closing then is harmless', async () => {
    const fake = await makeFakeSkopeo('exit 1')
    const { source } = await openSkopeo('alpine', { ...fake, folder: `${fake.command}/below/a/file` })
    expect((await failure(source.resolve('any', 'latest'))).code).toBe('io')
    await source.close()
    await expect(fake.arguments()).rejects.toThrow('ENOENT')
  })

  test('that says it copied, and did not, is found out', async () => {
    const { source } = await openSkopeo('alpine', await makeFakeSkopeo('exit 0'))
    expect((await failure(source.resolve('any', 'latest'))).code).toBe('not-found')
  })

  test('has nothing to open before anything is resolved', async () => {
    const { source } = await openSkopeo('alpine', await makeFakeSkopeo('exit 0'))
    const descriptor = { mediaType: 'a/b', digest: DIGEST, size: 1 }
    expect((await failure(source.open('any', descriptor, { kind: 'blob' }))).code).toBe('not-found')
  })
})

describe('an image of a list in a containers-storage', () => {
  const fails = (flags: string, text: string): string =>
    `case " $* " in *" ${flags} "*) echo 'time="t" level=fatal msg="${text}"' >&2; exit 1;; esac`
  const partly = 'copying image 2/2 from manifest list: reading manifest for image instance: file does not exist'
  /** Writes what `skopeo copy … dir:FOLDER` writes for an image without layers. */
  const writes = [
    'for target; do :; done',
    'folder=$(echo "$target" | cut -d: -f2-)',
    `printf '%s' '{"schemaVersion":2,"config":{"mediaType":"a/b","size":1,"digest":"${DIGEST}"},"layers":[]}' > "$folder/manifest.json"`,
  ]
  const inspects = `case " $* " in *" inspect "*) printf old; exit 0;; esac`

  test('that holds only some of its images is taken alone, and the note says so', async () => {
    const fake = await makeFakeSkopeo(inspects, fails('--all', partly), ...writes)
    const { source, notes } = await openSkopeo('containers-storage:localhost/list', fake)
    const { digest } = await source.resolve('any', 'latest')
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain('only the image for this machine is taken')
    expect(notes[0]).toContain(`from ${digestOf('old')} to ${digest}`)
  })

  test('is refused where its digest is required', async () => {
    const fake = await makeFakeSkopeo(inspects, fails('--all', partly), ...writes)
    const { source } = await openSkopeo('containers-storage:localhost/list', { ...fake, requireDigest: true })
    expect((await failure(source.resolve('any', 'latest'))).code).toBe('unsupported')
  })

  test('of a registry is never taken in part', async () => {
    const fake = await makeFakeSkopeo(inspects, fails('--all', partly), ...writes)
    const { source, notes } = await openSkopeo('docker://ghcr.io/o/list', fake)
    expect((await failure(source.resolve('any', 'latest'))).code).toBe('unsupported')
    expect(notes).toEqual([])
  })

  test('whose old digest cannot be told is noted with the new one', async () => {
    const fake = await makeFakeSkopeo(fails('--all', partly), fails('inspect', 'no'), ...writes)
    const { source, notes } = await openSkopeo('containers-storage:localhost/list', fake)
    const { digest } = await source.resolve('any', 'latest')
    expect(notes).toEqual([expect.stringContaining(`the digest changes to ${digest}`)])
  })
})

describe('the last words of skopeo', () => {
  test.each([
    ['toomanyrequests: You have reached your pull rate limit.', 'rate-limited'],
    ['reading manifest t in h/x: unauthorized: authentication required', 'unauthorized'],
    ['reading manifest t in h/x: requested access to the resource is denied', 'unauthorized'],
    ['open /var/x: permission denied', 'tool-failed'],
    ['reading manifest t in h/x: manifest unknown', 'not-found'],
    ['fetching tags list: invalid status code from registry 404 (Not Found)', 'not-found'],
    ['pinging container registry h: dial tcp: lookup h on 1.1.1.1:53: no such host', 'unreachable'],
    ['dial tcp 127.0.0.1:1: connect: connection refused', 'unreachable'],
    ['tls: failed to verify certificate: x509: certificate signed by unknown authority', 'unreachable'],
    ['dial tcp 10.0.0.1:443: i/o timeout', 'timeout'],
    ['loading image from docker engine: Cannot connect to the Docker daemon at unix:///x', 'unreachable'],
    ['writing blob: write /tmp/x: no space left on device', 'no-space'],
    ['Error loading trust policy: open /etc/containers/policy.json: no such file or directory', 'tool-failed'],
    ['Source image rejected: A signature was required, but no signature exists', 'tool-failed'],
    ['Unexpectedly received a manifest list instead of a manifest for a single image', 'unsupported'],
    ['something new', 'tool-failed'],
  ])('%s: %s', (text, code) => {
    const { error } = explainSkopeo(`time="2026" level=fatal msg=${JSON.stringify(text)}\n`, 'doing')
    expect(error).toMatchObject({ code, side: 'source', message: `doing: ${text}` })
  })

  test.each([
    [
      'Manifest list must be converted to type \\"a\\", but we cannot modify it: \\"Instructed to preserve digests\\"',
      'list-type',
    ],
    ['would require changing layer representation, which we cannot do: \\"Instructed to preserve digests\\"', 'digest'],
    ['copying image 1/2 from manifest list: something', 'list'],
    [
      'copying image 1/2 from manifest list: Unexpectedly received a manifest list instead of a manifest for a single image',
      'other',
    ],
  ])('%s is the reason %s', (text, reason) => {
    expect(explainSkopeo(`time="2026" level=fatal msg="${text}"`, 'doing').reason).toBe(reason)
  })

  test('are the last line that is neither a warning nor empty, of any form', () => {
    const last = (text: string): string => explainSkopeo(text, 'd').error.message
    expect(last('time="t" level=warning msg="w"\nFATA[0003] it failed\ntime="t" level=warning msg="later"\n\n')).toBe(
      'd: it failed',
    )
    expect(last('time="t" level=fatal msg="a \\"quoted\\" \\x00 word"')).toContain('quoted')
    expect(last('first\nlast\n')).toBe('d: last')
    expect(last('')).toBe('d: it said nothing')
    expect(last('x'.repeat(5000)).length).toBeLessThan(700)
  })
})

async function readPid(path: string): Promise<number> {
  const pid = Number((await readFile(path, 'utf8')).replace('pid ', ''))
  expect(pid).toBeGreaterThan(0)
  return pid
}
