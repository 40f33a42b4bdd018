import { parseS3Target, type S3Target } from '../deploy/s3/target.ts'
import { RegistrishError } from '../errors.ts'
import { isOn, textOf } from './arguments.ts'
import type { Arguments, Flag } from './command.ts'

/** The flags that say which store a command is about. */
export const STORE_FLAGS: readonly Flag[] = [
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

/** The store that the flags name. @throws RegistrishError `usage` where they name none, or it makes no sense. */
export function targetOf(args: Arguments): S3Target {
  const bucket = textOf(args, 's3')
  if (bucket === undefined) {
    throw new RegistrishError('usage', 'say where to: --s3 BUCKET', {
      hint: 'for example --s3 my-registry; registrish setup --s3 my-registry says what a new bucket needs',
    })
  }
  return parseS3Target({
    bucket,
    endpoint: textOf(args, 's3-endpoint') ?? endpointOfEnvironment(),
    region: textOf(args, 's3-region'),
    pathStyle: isOn(args, 's3-path-style'),
    acl: textOf(args, 's3-acl'),
  })
}

/** The flags that name a store, for commands that are told. */
export function flagsOf({ bucket, endpoint, region }: S3Target): string {
  return [
    `--s3 ${bucket}`,
    ...(endpoint === undefined ? [] : [`--s3-endpoint ${endpoint}`]),
    ...(region === undefined ? [] : [`--s3-region ${region}`]),
  ].join(' ')
}

/** As AWS' own tools take it; read here, so that all that is said of the endpoint holds for it too. */
function endpointOfEnvironment(): string | undefined {
  const value = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']
  return value === '' ? undefined : value
}
