import { spawnSync } from 'node:child_process'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { RunContext } from '../../src/cli/command.ts'
import { PROVIDERS } from '../../src/deploy/s3/setup-plan.ts'
import { type Outcome, runCommand } from '../support/run-command.ts'

/* What `setup` prints; what it does to a bucket is in test/deploy and test/e2e. */

describe('without a bucket', () => {
  test('it says which flag is missing', async () => {
    await expect(setup([])).rejects.toMatchObject({ code: 'usage', message: 'say which bucket: --s3 BUCKET' })
  })
})

describe.each(PROVIDERS.map(({ name }) => name))('for %s', name => {
  test('it prints a script that a shell takes, all else as comments', async () => {
    const { printed, code } = await setup(['--s3', 'my-registry', '--provider', name])
    expect(code).toBe(0)
    const script = printed.join('\n')
    const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(printed.at(0)).toMatch(/^# .*, for a new bucket\. /)
    expect(script).toContain(`#   registrish deploy --${name === 'gcs' ? 'gcs' : 's3'} my-registry`)
    expect(script).toMatch(/#\s+docker run \S+\/alpine/)
  })

  test('it prints the same as data', async () => {
    const { printed } = await setup(['--s3', 'my-registry', '--provider', name], 'json')
    expect(JSON.parse(printed.join('\n'))).toMatchObject({ provider: name, bucket: 'my-registry' })
    expect((await setup(['--s3', 'my-registry', '--provider', name], 'ndjson')).printed).toHaveLength(1)
  })
})

test('documents reach the command as they are', async () => {
  const { printed } = await setup(['--s3', 'my-registry'])
  const script = `aws() { case $2 in put-bucket-policy) cat;; esac; }\n${printed.join('\n')}`
  const { stdout } = spawnSync('sh', { input: script, encoding: 'utf8' })
  const { printed: data } = await setup(['--s3', 'my-registry'], 'json')
  const { steps } = JSON.parse(data.join('\n')) as { readonly steps: readonly Step[] }
  expect(JSON.parse(stdout)).toEqual(steps.find(({ name }) => name === 'policy')?.document)
})

test('what is not verified is marked', async () => {
  const { printed } = await setup(['--s3', 'my-registry', '--provider', 'r2'])
  expect(printed).toContainEqual(expect.stringMatching(/Docker-Content-Digest \(unverified\)$/))
})

test.each(['cloudfront', 'r2', 'gcs', 'garage'])('%s is not set up by --apply', async name => {
  await expect(setup(['--s3', 'my-registry', '--provider', name, '--apply'])).rejects.toMatchObject({
    code: 'usage',
    hint: expect.stringContaining('without --apply'),
  })
})

test('--gcs names a bucket of Google Cloud Storage, whose commands fit deploy --gcs', async () => {
  const { printed } = await setup(['--gcs', 'gs://my-registry'])
  const script = printed.join('\n')
  expect(script).toMatch(/gcloud storage buckets create gs:\/\/my-registry /)
  expect(script).toContain('--member=allUsers --role=roles/storage.objectViewer')
  expect(script).toContain('--role=roles/storage.objectUser')
  expect(printed.at(-1)).toMatch(/^# - /)
  expect(script).toContain(
    '#   registrish deploy --gcs my-registry\n#   docker run my-registry.storage.googleapis.com/alpine',
  )
  await expect(setup(['--gcs', 'a/b'])).rejects.toMatchObject({ code: 'usage' })
  await expect(setup(['--gcs', 'abc', '--s3', 'abc'])).rejects.toMatchObject({ code: 'usage' })
})

test.each([
  ['--provider', 'aws'],
  ['--s3-endpoint', 'https://s3.fr-par.scw.cloud'],
  ['--s3-region', 'eu-west-1'],
  ['--s3-acl', 'public-read'],
  ['--s3-path-style'],
  ['--unlisted'],
])('%s is not passed over beside --gcs', async (...words) => {
  await expect(setup(['--gcs', 'my-registry', ...words])).rejects.toMatchObject({ code: 'usage' })
})

test('only a policy can leave a bucket unlisted', async () => {
  const line = ['--s3', 'my-registry', '--unlisted', '--provider']
  await expect(setup([...line, 'scaleway'])).rejects.toMatchObject({ code: 'usage' })
  expect((await setup([...line, 'aws'])).printed.join('\n')).not.toContain('RegistrishList')
})

describe('the endpoint of the environment', () => {
  test.each(['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'])('%s counts', async name => {
    setVariable(name, 'https://s3.fr-par.scw.cloud')
    expect((await setup(['--s3', 'my-registry'])).printed.at(0)).toMatch(/Scaleway/)
  })

  test('that is empty does not', async () => {
    setVariable('AWS_ENDPOINT_URL_S3', '')
    expect((await setup(['--s3', 'my-registry'])).printed.at(0)).toMatch(/Amazon S3/)
  })
})

interface Step {
  readonly name: string
  readonly document?: object
}

function setVariable(name: string, value: string): void {
  const before = process.env[name]
  process.env[name] = value
  onTestFinished(() => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  })
}

function setup(words: readonly string[], output: RunContext['output'] = 'text'): Promise<Outcome> {
  return runCommand(['setup', ...words], { output })
}
