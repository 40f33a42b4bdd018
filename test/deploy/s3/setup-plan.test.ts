import { describe, expect, test } from 'vitest'
import { PROVIDERS, planSetup, providerOf, type SetupPlan } from '../../../src/deploy/s3/setup-plan.ts'
import { parseS3Target, type S3TargetInput } from '../../../src/deploy/s3/target.ts'

describe('the provider', () => {
  test.each([
    [{}, 'aws'],
    [{ endpoint: 'https://s3.eu-west-1.amazonaws.com' }, 'aws'],
    [{ endpoint: 'https://0123.r2.cloudflarestorage.com' }, 'r2'],
    [{ endpoint: 'https://s3.fr-par.scw.cloud' }, 'scaleway'],
    [{ endpoint: 'https://s3.us-west-004.backblazeb2.com' }, 'b2'],
    [{ endpoint: 'https://s3.eu-central-1.wasabisys.com' }, 'wasabi'],
    [{ endpoint: 'https://nyc3.digitaloceanspaces.com' }, 'digitalocean'],
    [{ endpoint: 'https://s3.gra.io.cloud.ovh.net' }, 'ovh'],
    [{ endpoint: 'https://storage.googleapis.com' }, 'gcs'],
    [{ endpoint: 'http://localhost:9000' }, 'other'],
    [{ endpoint: 'https://s3.fr-par.scw.cloud.example.com' }, 'other'],
  ])('of %o is %s', (input, name) => {
    expect(providerOf(targetOf(input)).name).toBe(name)
  })

  test('is the one that is named', () => {
    expect(providerOf(targetOf({ endpoint: 'https://s3.fr-par.scw.cloud' }), 'minio').name).toBe('minio')
  })
})

describe.each(PROVIDERS.map(provider => [provider.name, provider] as const))('%s', (name, provider) => {
  const plan = planSetup(targetOf({}), provider)
  const text = [...plan.steps.map(({ command }) => command), plan.deploy, plan.host].join('\n')

  test('says how, in the words of the bucket', () => {
    expect(plan.steps.length).toBeGreaterThan(0)
    expect(text).toContain('my-registry')
    expect(text.replace(/\$\{?\w/g, '')).not.toMatch(/\{(?:bucket|region|host|index|missing|endpoint)\}|undefined/)
    expect(plan.documentation).toMatch(/^https:/)
    expect(plan.deploy).toMatch(
      /^registrish deploy --(?:gcs my-registry$|s3 my-registry)(?: --(?:s3-endpoint|s3-region|url) \S+| --s3-acl public-read)*$/,
    )
    expect(plan.notes.length).toBeGreaterThan(0)
  })

  test('asks deploy for an access list only where there is no other way', () => {
    expect(plan.deploy.includes('--s3-acl')).toBe(['scaleway', 'digitalocean', 'ovh'].includes(name))
  })

  test('gives deploy what it takes', () => {
    const [, endpoint] = / --s3-endpoint (\S+)/.exec(plan.deploy) ?? []
    const target = targetOf({ endpoint })
    if (endpoint === undefined) expect(['aws', 'cloudfront', 'gcs']).toContain(name)
    else expect(providerOf(target).name).toBe(['minio', 'garage', 'other'].includes(name) ? 'other' : name)
  })

  test('never opens more than the registry by a policy', () => {
    const { Statement = [] } = plan.steps.find(({ name: step }) => step === 'policy')?.document ?? {}
    const opened = (Statement as readonly Readonly<Record<string, unknown>>[]).filter(
      ({ Action }) => Action !== 's3:ListBucket',
    )
    for (const { Action, Resource } of opened)
      expect({ Action, Resource }).toEqual({
        Action: 's3:GetObject',
        Resource: ['arn:aws:s3:::my-registry/v2/*', 'arn:aws:s3:::my-registry/v2/'],
      })
  })
})

test('where clients pull from', () => {
  expect(hostOf('aws', { region: 'eu-west-1' })).toBe('my-registry.s3.eu-west-1.amazonaws.com')
  expect(hostOf('scaleway', {})).toBe('my-registry.s3.fr-par.scw.cloud')
  expect(hostOf('scaleway', { region: 'nl-ams' })).toBe('my-registry.s3.nl-ams.scw.cloud')
  expect(hostOf('gcs', {})).toBe('my-registry.storage.googleapis.com')
  expect(hostOf('minio', { endpoint: 'https://s3.lab' })).toBe('my-registry.s3.lab')
  expect(hostOf('garage', { endpoint: 'https://s3.lab' })).toBe('my-registry.web.garage.example.com')
  expect(hostOf('other', { endpoint: 'http://127.0.0.1:9000' })).toBe('HOST')
})

test('whoever deploys may do what deploy does, with the registry and what it keeps beside it', () => {
  const { document, command } = planOf('aws', {}).steps.find(({ name }) => name === 'deployer') ?? {}
  expect(command).toMatch(/^aws iam create-policy --policy-name registrish-my-registry /)
  expect(document?.['Statement']).toEqual([
    {
      Effect: 'Allow',
      Action: ['s3:ListBucket', 's3:ListBucketMultipartUploads'],
      Resource: 'arn:aws:s3:::my-registry',
    },
    {
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
      Resource: ['arn:aws:s3:::my-registry/v2/*', 'arn:aws:s3:::my-registry/.registrish/*'],
    },
  ])
})

test('in path style deploy is to be told the host', () => {
  const { deploy, notes } = planOf('other', { endpoint: '127.0.0.1:9000' })
  expect(deploy).toBe(
    'registrish deploy --s3 my-registry --s3-endpoint http://127.0.0.1:9000 --s3-path-style --url HOST',
  )
  expect(notes[0]?.text).toContain('path style serves uploads only')
})

test('the first region of AWS must not be said when a bucket is made, all others must', () => {
  const commandOf = (region: string): string | undefined => planOf('aws', { region }).steps[0]?.command
  expect(commandOf('us-east-1')).toBe('aws s3api create-bucket --bucket my-registry --region us-east-1')
  expect(commandOf('eu-west-1')).toMatch(/ --create-bucket-configuration LocationConstraint=eu-west-1$/)
})

test('a bucket that nobody may list says what that does', () => {
  const plan = planSetup(targetOf({}), providerOf(targetOf({})), { unlisted: true })
  expect(JSON.stringify(plan.steps)).not.toContain('RegistrishList')
  expect(plan.notes[0]?.text).toMatch(/missing is 403/)
})

function targetOf(input: Partial<S3TargetInput>): ReturnType<typeof parseS3Target> {
  return parseS3Target({ bucket: 'my-registry', ...input })
}

function planOf(name: string, input: Partial<S3TargetInput>): SetupPlan {
  return planSetup(targetOf(input), providerOf(targetOf(input), name))
}

function hostOf(name: string, input: Partial<S3TargetInput>): string {
  return planOf(name, input).host
}
