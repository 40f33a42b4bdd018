import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import type { ObjectStoreServer, PublicBucket } from './object-stores.ts'

/** The keys of uploads in parts that were begun and never ended: no reader sees them. */
export async function unendedUploads(
  { client }: ObjectStoreServer,
  { bucket }: PublicBucket,
): Promise<readonly (string | undefined)[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  return Uploads.map(({ Key }) => Key)
}

/** Makes a bucket that holds what another does. */
export async function copyBucket(server: ObjectStoreServer, from: PublicBucket, name: string): Promise<PublicBucket> {
  const bucket = await server.addBucket(name)
  const limit = pLimit(8)
  const copies = (await keysOf(server, from)).map(key =>
    limit(() => copyKey(server, key, { from: from.bucket, to: name })),
  )
  await Promise.all(copies)
  return bucket
}

async function copyKey(
  { client }: ObjectStoreServer,
  key: string,
  { from, to }: Readonly<Record<'from' | 'to', string>>,
): Promise<void> {
  // versitygw 1.8 keeps such a key as a folder, and refuses to copy it: DirectoryObjectContainsData.
  if (key.endsWith('/')) {
    const { ContentType, CacheControl } = await client.send(new HeadObjectCommand({ Bucket: from, Key: key }))
    await client.send(
      new PutObjectCommand({ Bucket: to, Key: key, Body: '', ContentLength: 0, ContentType, CacheControl }),
    )
    return
  }
  const source = `${from}/${key.split('/').map(encodeURIComponent).join('/')}`
  await client.send(new CopyObjectCommand({ Bucket: to, Key: key, CopySource: source }))
}

/** Deletes all that a bucket holds. */
export async function emptyBucket(server: ObjectStoreServer, bucket: PublicBucket): Promise<void> {
  const Objects = (await keysOf(server, bucket)).map(Key => ({ Key }))
  await server.client.send(new DeleteObjectsCommand({ Bucket: bucket.bucket, Delete: { Objects, Quiet: true } }))
}

async function keysOf({ client }: ObjectStoreServer, { bucket }: PublicBucket): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket }))
    keys.push(...Contents.flatMap(({ Key }) => Key ?? []))
  return keys
}
