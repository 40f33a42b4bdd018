import { parseGcsTarget } from '../../deploy/gcs/target.ts'
import { RegistrishError } from '../../errors.ts'
import { textOf } from '../arguments.ts'
import type { Arguments } from '../command.ts'
import type { TargetKind } from './target.ts'

/** Buckets of Google Cloud Storage, by its own API. */
export const gcs: TargetKind = {
  flags: [
    {
      name: 'gcs',
      type: 'string',
      value: 'BUCKET',
      describe: 'bucket of Google Cloud Storage: bucket or gs://bucket',
    },
    {
      name: 'gcs-endpoint',
      type: 'string',
      value: 'URL',
      describe: 'where Cloud Storage is; default: STORAGE_EMULATOR_HOST of the environment, else Google',
    },
  ],
  parse(bucket, args) {
    const emulator = process.env['STORAGE_EMULATOR_HOST']
    const endpoint = textOf(args, 'gcs-endpoint')
    const target = parseGcsTarget({ bucket, endpoint, emulator: emulator === '' ? undefined : emulator })
    return {
      kind: 'store',
      flags: [`--gcs ${target.bucket}`, ...(endpoint === undefined ? [] : [`--gcs-endpoint ${target.endpoint}`])].join(
        ' ',
      ),
      notes: target.notes,
      setup: `registrish setup --gcs ${target.bucket}`,
      async open(options) {
        const { openGcsStore } = await import('../../deploy/gcs/store.ts')
        return openGcsStore({ ...target, ...options })
      },
    }
  },
}

/** Arguments of `setup` where --gcs names the bucket: what it needs is printed as for S3 and its relatives. @throws RegistrishError `usage`. */
export function gcsAsS3(args: Arguments): Arguments {
  const named = textOf(args, 'gcs')
  if (named === undefined) return args
  if (textOf(args, 's3') !== undefined)
    throw new RegistrishError('usage', 'one place at a time: --s3 or --gcs', { hint: 'run it once for each' })
  const foreign = ['s3-endpoint', 's3-region', 's3-path-style', 's3-acl', 'provider'].find(
    name => args[name] !== undefined && args[name] !== false,
  )
  if (foreign !== undefined)
    throw new RegistrishError('usage', `--${foreign} is not about --gcs`, { hint: 'leave it out' })
  const { bucket, endpoint } = parseGcsTarget({ bucket: named })
  return { ...args, s3: bucket, 's3-endpoint': endpoint }
}
