import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadCommands } from '../../src/cli/commands.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeCosignSignature,
  makeMultiPlatform,
  withReferrers,
} from '../support/made-images.ts'
import { answersRight } from '../support/right-answers.ts'
import { startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { writeLayout } from '../support/write-images.ts'

/* Every example of every command's help is run by a shell, as it stands there; a test registry stands for the registries it names. */

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

const commands = await loadCommands()

describe('the examples of the help', () => {
  let folder: string
  let registry: TestRegistry
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'registrish-test-'))
    const repositories = await makeRepositories()
    registry = await startTestRegistry({ repositories, hook: answersRight(Object.keys(repositories)) })
    await writeLayout(join(folder, 'work/layout'), { '1.0': await makeMultiPlatform() })
    await mkdir(join(folder, 'bin'))
    await writeFile(join(folder, 'bin/registrish'), `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`)
    await chmod(join(folder, 'bin/registrish'), 0o755)
    await mkdir(join(folder, 'mirror/v2'), { recursive: true })
    for (const tag of ['latest', '3.19', '3.20'])
      await expectDone(start(`registrish fetch ${registry.host}/alpine ${tag}`))
  })
  afterAll(async () => {
    await registry.close()
    await rm(folder, { recursive: true, force: true })
  })

  // Those of plan and deploy need a store: test/e2e/ci-jobs.test.ts runs them.
  const lines = commands
    .filter(({ name }) => name !== 'plan' && name !== 'deploy')
    .flatMap(({ name, examples }) => examples.map(({ line }) => [name, line] as const))

  test.each(lines.filter(([name]) => name !== 'serve'))('%s: %s', async (_, line) => {
    await expectDone(start(standIn(line)))
  })

  test.each(lines.filter(([name]) => name === 'serve'))('%s: %s', async (_, line) => {
    const child = start(standIn(line))
    const [output] = await once(child.stdout ?? child, 'data')
    expect(String(output)).toMatch(/^http:\/\/\S+:\d+ serves \d+ repositor/)
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
  })

  test('each command has some', () => {
    expect(commands.filter(({ examples }) => examples.length === 0)).toEqual([])
  })

  /** The registries of the examples are not to be had here, nor are fixed ports and system folders. */
  function standIn(line: string): string {
    return line
      .replace('fetch alpine', `fetch --force ${registry.host}/alpine`)
      .replace('ghcr.io/', `${registry.host}/`)
      .replace(/(doctor )(?:registry\.example\.com|localhost:5555)/, `$1${registry.host}`)
      .replace('0.0.0.0:8080', '0.0.0.0:0')
      .replace('/srv/mirror', join(folder, 'mirror'))
  }

  function start(line: string): ChildProcess {
    const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, PORT: '0', CI: 'true' }
    return spawn('sh', ['-c', `exec ${line}`], { cwd: join(folder, 'work'), env, stdio: ['ignore', 'pipe', 'pipe'] })
  }
})

async function expectDone(child: ChildProcess): Promise<void> {
  let output = ''
  child.stdout?.on('data', chunk => {
    output += chunk
  })
  child.stderr?.on('data', chunk => {
    output += chunk
  })
  const [code] = await once(child, 'close')
  expect(code, output).toBe(0)
}

async function makeRepositories(): Promise<Readonly<Record<string, Readonly<Record<string, Graph>>>>> {
  const image = await makeMultiPlatform()
  const signed = withReferrers(image, makeArtifact({ subject: image }))
  const signature = makeCosignSignature(image)
  return {
    alpine: { latest: image, '3.19': await makeMultiPlatform({ seed: 'old' }), '3.20': image },
    'o/app': { '1.0': signed, '1.1': image, [digestTag(image.root.digest, 'sig')]: signature },
  }
}
