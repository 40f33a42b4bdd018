import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadCommand } from '../../src/cli/commands.ts'
import { makeMultiPlatform } from '../support/made-images.ts'
import { startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { packLayout } from '../support/write-images.ts'
import { type CiFile, passArtifacts, type Runner, readCiFiles, runJob, writePrograms } from './support/ci-jobs.ts'
import { type ObjectStoreServer, startObjectStore } from './support/object-stores.ts'
import { MAIN } from './support/registrish.ts'
import { type RunResult, run } from './support/run.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

/*
 * The jobs of docs/ci.md, their shell steps as they stand there. Stood in for are the services (checkout, artifacts, tokens of AWS), npm, and the builds:
 * `docker buildx` and `buildah` leave an archive that the test has made.
 */

const [publish, mirror, gitlabPublish, gitlabMirror] = await readCiFiles()

describe('docs/ci.md', () => {
  test('has the four files that are run here', () => {
    const names = [publish, mirror, gitlabPublish, gitlabMirror].map(file => file?.jobs.map(({ name }) => name))
    expect(names).toEqual([['publish'], ['plan', 'deploy'], ['build', 'publish'], ['plan', 'deploy']])
  })

  test('asks for what the jobs do not run with here: a token for AWS, a review, one mirror at a time', () => {
    for (const file of [publish, mirror]) {
      expect(file?.text).toContain('id-token: write')
      expect(file?.text).toContain('aws-actions/configure-aws-credentials@v4')
    }
    expect(mirror?.text).toMatch(/differences: \$\{\{ steps\.plan\.outputs\.differences \}\}/)
    expect(mirror?.text).toContain("if: needs.plan.outputs.differences == 'true'")
    expect(mirror?.text).toContain('environment: registry')
    for (const file of [gitlabPublish, gitlabMirror]) {
      expect(file?.text).toMatch(/id_tokens:\n +AWS_TOKEN:/)
      expect(file?.text).toMatch(/AWS_WEB_IDENTITY_TOKEN_FILE: /)
    }
    expect(gitlabMirror?.text).toMatch(/allow_failure:\n +exit_codes:\n +- 2\n/)
    expect(gitlabMirror?.text).toContain('when: manual')
  })
})

describeWith(['versitygw', 'store-names', 'crane', 'bash', 'tar'], 'the jobs of docs/ci.md', () => {
  let folder: string
  /** The bucket that jobs add to. */
  let shared: ObjectStoreServer
  /** The bucket that is a mirror, and nothing else. */
  let mirrored: ObjectStoreServer
  let upstream: TestRegistry
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'registrish-test-'))
    shared = await startObjectStore('versitygw')
    mirrored = await startObjectStore('versitygw')
    upstream = await startTestRegistry({
      repositories: {
        alpine: { latest: await makeMultiPlatform(), '3.20': await makeMultiPlatform({ seed: 'old' }) },
        busybox: { '1': await makeMultiPlatform({ seed: 'busybox' }) },
      },
    })
    await writeFile(join(folder, 'built.tar'), await packLayout({ 'v1.0': await makeMultiPlatform({ seed: 'app' }) }))
    await writePrograms(join(folder, 'bin'), {
      registrish: `exec ${process.execPath} ${MAIN} "$@"`,
      npm: 'test "$*" = "install --global registrish@0.1"',
      docker: `test "$1 $2" = "buildx build" && cp ${folder}/built.tar app.tar`,
      buildah: `case "$1" in push) cp ${folder}/built.tar "$(echo "$3" | cut -d: -f2)" ;; build) ;; *) exit 1 ;; esac`,
      aws: 'printf "%s\\n" "$@" >> aws.txt',
    })
  })
  afterAll(async () => {
    await upstream.close()
    await shared.stop()
    await mirrored.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** One job after the other, each in a folder of its own with what it checks out and the artifacts of the one before; ends with the first that fails. */
  async function runFile(file: CiFile | undefined, name: string, images = ''): Promise<readonly RunResult[]> {
    const results: RunResult[] = []
    let before: string | undefined
    for (const [index, job] of (file?.jobs ?? []).entries()) {
      const place = join(folder, name, job.name)
      await mkdir(place, { recursive: true })
      if (before !== undefined) await passArtifacts(file?.jobs[index - 1] ?? job, before, place)
      else await writeFile(join(place, 'images.txt'), images)
      const result = await runJob(job, runner(place, file))
      results.push(result)
      if (result.failed && result.exitCode !== 2) break
      if (file === mirror && job.name === 'plan' && !(await hasDifferences(place))) break
      before = place
    }
    return results
  }

  /** What `if: needs.plan.outputs.differences == 'true'` asks. */
  async function hasDifferences(place: string): Promise<boolean> {
    const output = await readFile(join(place, 'output.txt'), 'utf8').catch(() => '')
    return output.includes('differences=true\n')
  }

  function runner(place: string, file: CiFile | undefined): Runner {
    const server = file === mirror || file === gitlabMirror ? mirrored : shared
    return {
      folder: place,
      bin: join(folder, 'bin'),
      env: {
        ...server.env,
        ...{ BUCKET: server.bucket, HOST: `http://${server.host}/`, AWS_ENDPOINT_URL_S3: server.endpoint },
        ...{ GITHUB_STEP_SUMMARY: join(place, 'summary.md'), GITHUB_OUTPUT: join(place, 'output.txt') },
        ...{ CI_COMMIT_TAG: 'v1.0', CI_PROJECT_DIR: place, CI_PIPELINE_SOURCE: 'schedule', AWS_TOKEN: 'a token' },
      },
    }
  }

  /** Runs a line that a job has printed, with a client that needs no daemon. */
  async function pull(line: string | undefined): Promise<void> {
    const image = /^docker pull (\S+)$/.exec(line ?? '')?.[1]
    if (image === undefined) throw new Error(`not a line to pull by: ${line}`)
    await run(toolPath('crane'), ['pull', '--insecure', image, join(folder, 'pulled.tar')])
  }

  const file = async (...path: readonly string[]): Promise<string> => readFile(join(folder, ...path), 'utf8')

  test('GitHub: an image is published, and its line in the summary works', async () => {
    const results = await runFile(publish, 'publish')
    expect(results.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual([[0, '']])
    expect(await file('publish/publish/summary.md')).toBe(`docker pull ${shared.host}/app:v1.0\n`)
    await pull(`docker pull ${shared.host}/app:v1.0`)
  })

  test('GitLab: the same image is there already', async () => {
    const results = await runFile(gitlabPublish, 'gitlab')
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0])
    expect(results[1]?.stderr).toContain('no differences')
    expect(results[1]?.stderr).toContain('fetched back from')
    expect(await file('gitlab/publish/.aws-token')).toBe('a token\n')
  })

  test('GitLab: an image is published, and its line works', async () => {
    await copyFile(join(folder, 'built.tar'), join(folder, 'kept.tar'))
    await writeFile(join(folder, 'built.tar'), await packLayout({ 'v1.0': await makeMultiPlatform({ seed: 'next' }) }))
    const results = await runFile(gitlabPublish, 'gitlab-next')
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0])
    const lines = results[1]?.stdout.split('\n') ?? []
    expect(lines).toContain(`docker pull ${shared.host}/app:v1.0`)
    await pull(lines.find(line => line.startsWith('docker pull')))
  })

  test('GitHub: a mirror is planned, deployed, purged; a night without differences ends after the plan', async () => {
    const images = `${upstream.host}/alpine latest 3.20\n${upstream.host}/busybox 1\n`
    const first = await runFile(mirror, 'night-1', images)
    expect(first.map(({ exitCode, stderr }) => (exitCode === 0 ? 0 : stderr))).toEqual([0, 0])
    expect(await file('night-1/plan/output.txt')).toBe('differences=true\n')
    expect(await file('night-1/plan/summary.md')).toMatch(/^ {4}\+ alpine:3\.20 sha256:[0-9a-f]{12}\n/)
    expect((await file('night-1/deploy/aws.txt')).split('\n').slice(0, 5)).toEqual(
      'cloudfront create-invalidation --distribution-id E2EXAMPLE --paths'.split(' '),
    )
    expect(await file('night-1/deploy/aws.txt')).toContain('\n/v2/alpine/manifests/latest\n')
    for (const image of ['alpine:latest', 'alpine:3.20', 'busybox:1'])
      await pull(`docker pull ${mirrored.host}/${image}`)

    const second = await runFile(mirror, 'night-2', images)
    expect(second.map(({ exitCode }) => exitCode)).toEqual([0])
    expect(await file('night-2/plan/summary.md')).toMatch(/no differences/)
  })

  test('GitLab: a mirror is planned and deployed', async () => {
    const images = `${upstream.host}/alpine latest 3.20\n`
    const [plan, deploy] = await runFile(gitlabMirror, 'gitlab-night', images)
    expect(plan?.exitCode).toBe(2)
    expect(plan?.stdout).toContain('- busybox:1\n')
    expect(deploy?.stderr).toContain('deleted')
    expect(deploy?.exitCode).toBe(0)
    expect(deploy?.stdout).toContain('- busybox:1\n')
    await expect(pull(`docker pull ${mirrored.host}/busybox:1`)).rejects.toThrow(/404|NoSuchKey|not found/i)
    await pull(`docker pull ${mirrored.host}/alpine:latest`)
  })

  test.each(['plan', 'deploy'])('the examples of the help of %s', async name => {
    const place = join(folder, `examples-${name}`)
    await mkdir(place)
    const { env } = runner(place, mirror)
    const start = async (line: string): Promise<RunResult> => {
      const [program = '', ...words] = line.split(' ')
      return run(join(folder, 'bin', program), words, { cwd: place, env, reject: false })
    }
    expect(await start(`registrish fetch ${upstream.host}/alpine latest 3.20`)).toMatchObject({ exitCode: 0 })
    // Those of other places need an account there: test/cli/site-run.test.ts.
    const examples = ((await loadCommand(name))?.examples ?? []).filter(({ line }) => line.includes('--s3'))
    expect(examples.length).toBeGreaterThan(1)
    for (const { line } of examples) {
      const here = line
        .replace('my-registry', mirrored.bucket)
        .replace('registry.example.com', `http://${mirrored.host}`)
        .replace(/https:\/\/s3\.\S+/, mirrored.endpoint)
      const { exitCode, stderr } = await start(here)
      expect([0, line.includes('--detailed-exitcode') ? 2 : 0], `${here}: ${stderr}`).toContain(exitCode)
    }
  })
})
