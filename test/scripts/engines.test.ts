import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findEngine, runImage } from '../../scripts/sample/engines.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** A stand-in for an engine: a shell script that looks at its first argument. */
const ANSWERS = 'case $1 in info) echo 28.0;; run) echo Hello;; esac'
const IS_DOWN = 'echo "Cannot connect to the Docker daemon" >&2; exit 1'

describe('an engine', () => {
  const { PATH } = process.env
  let folder: string
  beforeEach(async () => {
    folder = await makeTemporaryFolder()
    process.env['PATH'] = folder
  })
  afterEach(() => {
    process.env['PATH'] = PATH
  })
  const install = async (name: string, script: string): Promise<void> =>
    writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })

  test('is none where none is installed', async () => {
    expect(await findEngine()).toBeUndefined()
  })

  test('is docker where its daemon answers', async () => {
    await install('docker', ANSWERS)
    await install('podman', ANSWERS)
    expect((await findEngine())?.name).toBe('docker')
  })

  test('is podman where docker’s daemon is down', async () => {
    await install('docker', IS_DOWN)
    await install('podman', ANSWERS)
    expect((await findEngine())?.command('localhost:1/hello').join(' ')).toBe(
      'podman run --rm --pull always --tls-verify=false localhost:1/hello',
    )
  })

  test('is none where all that are installed are down', async () => {
    await install('docker', IS_DOWN)
    expect(await findEngine()).toBeUndefined()
  })

  test('gives what the image prints', async () => {
    expect(await runWith(install, ANSWERS)).toEqual({ kind: 'printed', text: 'Hello' })
  })

  test.each([
    'crun: setrlimit: Operation not permitted',
    'Get "http://localhost:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
  ])('that cannot run things here says why: %s', async words => {
    const script = `[ $1 = info ] && echo 28.0 && exit; echo "first"; echo '${words}' >&2; exit 125`
    expect(await runWith(install, script)).toEqual({ kind: 'unable', reason: words })
  })

  test.each([
    'Error: manifest for localhost:1/hello:latest not found: manifest unknown',
    'error parsing HTTP 403 response: unexpected status code',
    'filesystem layer verification failed for digest sha256:0',
    'media type "application/json" is not supported',
  ])('that takes offence at the registry’s answer is a failure: %s', async words => {
    await expect(runWith(install, `[ $1 = info ] && echo 28.0 && exit; echo '${words}' >&2; exit 1`)).rejects.toThrow(
      words,
    )
  })
})

async function runWith(
  install: (name: string, script: string) => Promise<void>,
  script: string,
): ReturnType<typeof runImage> {
  await install('docker', script)
  const engine = await findEngine()
  if (engine === undefined) throw new Error('no engine was found')
  return runImage(engine, 'localhost:1/hello')
}
