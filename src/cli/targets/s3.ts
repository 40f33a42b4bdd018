import { parseS3Target, type S3Target } from '../../deploy/s3/target.ts'
import { RegistrishError } from '../../errors.ts'
import { isOn, textOf } from '../arguments.ts'
import type { Arguments } from '../command.ts'
import type { TargetKind } from './target.ts'

/** The flags of a bucket. */
export const S3_FLAGS: TargetKind['flags'] = [
  {
    name: 's3',
    type: 'string',
    value: 'BUCKET',
    describe: 'bucket of S3 or of a store like it: bucket or s3://bucket',
  },
  {
    name: 's3-endpoint',
    type: 'string',
    value: 'URL',
    describe: 'where the store is; default: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL of the environment, else AWS',
  },
  {
    name: 's3-region',
    type: 'string',
    value: 'REGION',
    describe:
      'region of the bucket; default: as in the name of the endpoint, else what the environment or the profile says',
  },
  {
    name: 's3-path-style',
    type: 'boolean',
    describe: 'name the bucket in the path of requests, for stores that have no host per bucket',
  },
  {
    name: 's3-acl',
    type: 'string',
    value: 'ACL',
    describe:
      'access list to send with what is public, such as public-read; default: none, access is by the policy of the bucket',
  },
]

/** Buckets of S3 and of stores like it. */
export const s3: TargetKind = {
  flags: S3_FLAGS,
  parse(bucket, args) {
    const target = parseBucket(bucket, args)
    const flags = flagsOf(target, isOn(args, 's3-path-style'))
    return {
      kind: 'store',
      flags,
      notes: target.notes,
      setup: `registrish setup ${flags}`,
      async open(options) {
        const { openS3Store } = await import('../../deploy/s3/store.ts')
        const { endpoint, region, pathStyle, acl } = target
        return openS3Store({
          bucket: target.bucket,
          pathStyle,
          ...(endpoint === undefined ? {} : { endpoint }),
          ...(region === undefined ? {} : { region }),
          ...(acl === undefined ? {} : { acl }),
          ...options,
        })
      },
    }
  },
}

/** The bucket that --s3 names, for `setup`. @throws RegistrishError `usage` where there is none, or it makes no sense. */
export function bucketOf(args: Arguments): S3Target {
  const bucket = textOf(args, 's3')
  if (bucket !== undefined) return parseBucket(bucket, args)
  throw new RegistrishError('usage', 'say which bucket: --s3 BUCKET', { hint: 'for example --s3 my-registry' })
}

function parseBucket(bucket: string, args: Arguments): S3Target {
  return parseS3Target({
    bucket,
    endpoint: textOf(args, 's3-endpoint') ?? endpointOfEnvironment(),
    region: textOf(args, 's3-region'),
    pathStyle: isOn(args, 's3-path-style'),
    acl: textOf(args, 's3-acl'),
  })
}

function flagsOf({ bucket, endpoint, region, acl }: S3Target, isPathAsked: boolean): string {
  return [
    `--s3 ${bucket}`,
    ...(endpoint === undefined ? [] : [`--s3-endpoint ${endpoint}`]),
    ...(region === undefined ? [] : [`--s3-region ${region}`]),
    ...(isPathAsked ? ['--s3-path-style'] : []),
    ...(acl === undefined ? [] : [`--s3-acl ${acl}`]),
  ].join(' ')
}

/** As AWS' own tools take it; read here, so that all that is said of the endpoint holds for it too. */
function endpointOfEnvironment(): string | undefined {
  const value = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']
  return value === '' ? undefined : value
}
