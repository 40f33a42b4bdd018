import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll } from 'vitest'
import { describeObjectStore } from '../contract/object-store.ts'
import type { StoreTraits } from '../contract/object-store-support.ts'
import type { StoreKind } from './support/object-store-names.ts'
import { type ObjectStoreServer, startObjectStore } from './support/object-stores.ts'
import { describeWith } from './support/suites.ts'

/** Both keep objects as files of their keys' names, in folders. */
const TRAITS: Readonly<Record<StoreKind, StoreTraits>> = {
  versitygw: { noKeyBelowKey: true, folderType: 'application/x-directory' },
  minio: { noKeyBelowKey: true },
}

for (const kind of ['versitygw', 'minio'] as const) {
  describeWith([kind], `a real ${kind}`, () => {
    let server: ObjectStoreServer
    let buckets = 0
    beforeAll(async () => {
      server = await startObjectStore(kind)
    })
    afterAll(() => server.stop())

    describeObjectStore(
      kind,
      async () => {
        buckets += 1
        const { bucket, open } = await server.addBucket(`contract-${buckets}`)
        const uploads = async (): Promise<number> => {
          const { Uploads = [] } = await server.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
          return Uploads.length
        }
        return { store: await open(), uploads }
      },
      TRAITS[kind],
    )
  })
}
