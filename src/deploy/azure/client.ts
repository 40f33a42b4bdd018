import type { BlobServiceClient, StoragePipelineOptions } from '@azure/storage-blob'
import type { AzureAccess } from './credentials.ts'
import type { AzurePlace } from './place.ts'
import type { Transport } from './transport.ts'

/** Loads the SDK and makes its client of an account. Nothing is sent. Requests are repeated by who calls it, never by the SDK. */
export async function openBlobService(
  { account }: AzurePlace,
  { credentials, endpoint }: AzureAccess,
  { httpClient }: Transport,
): Promise<BlobServiceClient> {
  const { AnonymousCredential, BlobServiceClient, StorageSharedKeyCredential, newPipeline } = await import(
    '@azure/storage-blob'
  )
  const options: StoragePipelineOptions = {
    httpClient,
    retryOptions: { maxTries: 1 },
    // Proxies are our transport's, which does not look at these; without them the SDK fails on values that curl takes, such as `10.0.0.1:3128`.
    proxyOptions: { host: 'http://localhost', port: 80 },
  }
  switch (credentials.kind) {
    case 'key':
      return new BlobServiceClient(
        endpoint,
        newPipeline(new StorageSharedKeyCredential(account, credentials.key), options),
      )
    case 'sas':
      return new BlobServiceClient(`${endpoint}?${credentials.token}`, newPipeline(new AnonymousCredential(), options))
    case 'login':
      return new BlobServiceClient(endpoint, newPipeline(credentials.credential, options))
  }
}
