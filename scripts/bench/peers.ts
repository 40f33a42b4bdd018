import { findProgram } from '../shared/find-program.ts'
import { BUCKET, S3_ENVIRONMENT } from './s3-store.ts'

/** The command by which skopeo copies an image from a registry without TLS into an OCI layout. */
export function skopeoCopy(image: string, folder: string): readonly string[] {
  return ['skopeo', '--insecure-policy', 'copy', '--src-tls-verify=false', `docker://${image}`, `oci:${folder}:1`]
}

/** The command by which crane adds images of a registry without TLS to an OCI layout. */
export function cranePull(images: readonly string[], folder: string): readonly string[] {
  return ['crane', 'pull', '--insecure', '--format=oci', ...images, folder]
}

/** The command by which the AWS command line brings a folder to a store. */
export function awsSync(folder: string, endpoint: string): readonly string[] {
  const sync = ['s3', 'sync', folder, `s3://${BUCKET}/v2`, '--endpoint-url', endpoint, '--only-show-errors']
  return [...S3_ENVIRONMENT, findProgram('aws') ?? 'aws', ...sync]
}

/** The command by which rclone brings a folder to a store. */
export function rcloneSync(folder: string, endpoint: string, flags: readonly string[] = []): readonly string[] {
  const store = ['--s3-provider', 'Other', '--s3-env-auth', '--s3-region', 'us-east-1', '--s3-endpoint', endpoint]
  const sync = ['sync', '--transfers', '16', ...flags, folder, `:s3:${BUCKET}/v2`]
  return [...S3_ENVIRONMENT, findProgram('rclone') ?? 'rclone', ...store, ...sync]
}
