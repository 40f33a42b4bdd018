import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type BlobServiceClient, type ContainerClient, RestError } from '@azure/storage-blob'
import { rawRequest } from '../../contract/raw-request.ts'
import type { PublicBucket } from './object-stores.ts'

/** What stands for the website endpoint of a storage account, which azurite has none of. */
export interface AzureWebsite extends Pick<PublicBucket, 'ask' | 'host'> {
  close(): Promise<void>
}

/**
 * Serves a container as https://learn.microsoft.com/azure/storage/blobs/storage-blob-static-website says: a path is the name of a blob, case counts; a path
 * that ends in "/" is its index document; what is not there is 404 with the error document; nothing can be written. Types and lives are those of the blobs; no
 * other header can be set. Which documents those are it reads from the account, as `setup` left it.
 */
export async function startAzureWebsite(service: BlobServiceClient): Promise<AzureWebsite> {
  const container = service.getContainerClient('$web')
  const { staticWebsite } = await service.getProperties()
  if (staticWebsite?.enabled !== true) throw new Error('the website of the account is off')
  const { indexDocument = '', errorDocument404Path = '' } = staticWebsite
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '' } = request
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
      return
    }
    const path = decodeURIComponent(url.replace(/\?.*$/s, '')).slice(1)
    const key = path === '' || path.endsWith('/') ? `${path}${indexDocument}` : path
    if (await sendBlob(container, { key, status: 200 }, { request, response })) return
    if (await sendBlob(container, { key: errorDocument404Path, status: 404 }, { request, response })) return
    response.writeHead(404, { 'content-type': 'text/html' }).end(method === 'HEAD' ? undefined : '<h1>404</h1>')
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      process.stderr.write(`website: ${String(error)}\n`)
      response.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    host: `localhost:${port}`,
    ask: (path, options = {}) => rawRequest(`http://127.0.0.1:${port}`, { ...options, path }),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Wanted {
  readonly key: string
  readonly status: number
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** False where there is no such blob. */
async function sendBlob(
  container: ContainerClient,
  { key, status }: Wanted,
  { request, response }: Exchange,
): Promise<boolean> {
  const blob = container.getBlobClient(key)
  try {
    const { contentLength: size = 0, contentType = '', cacheControl, etag = '' } = await blob.getProperties()
    const range = status === 200 ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null
    const [start, end] = [Number(range?.[1] ?? 0), Number(range?.[2] || size - 1)]
    response.writeHead(range === null ? status : 206, {
      'content-type': contentType,
      ...(cacheControl === undefined ? {} : { 'cache-control': cacheControl }),
      'content-length': end - start + 1,
      ...(range === null ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
      'accept-ranges': 'bytes',
      etag,
      'x-ms-request-id': '1',
    })
    if (request.method === 'HEAD' || size === 0) response.end()
    else
      for await (const chunk of (await blob.download(start, end - start + 1)).readableStreamBody ?? [])
        response.write(chunk)
    response.end()
    return true
  } catch (error) {
    if (error instanceof RestError && error.statusCode === 404) return false
    throw error
  }
}

/** The website as the judge of buckets asks it, who lists by S3's protocol; what Azure's says is put in its words. */
export function bucketOf(container: ContainerClient, { ask }: AzureWebsite): Pick<PublicBucket, 'ask'> {
  return {
    async ask(path, options) {
      const query = path.startsWith('/?') ? new URLSearchParams(path.slice(2)) : undefined
      if (query?.get('list-type') !== '2') return ask(path, options)
      const entries: string[] = []
      for await (const { name, properties } of container.listBlobsFlat({ prefix: query.get('prefix') ?? '' }))
        entries.push(
          `<Contents><Key>${name.replaceAll('&', '&amp;')}</Key><Size>${properties.contentLength}</Size><ETag>${properties.etag}</ETag></Contents>`,
        )
      const body = Buffer.from(`<ListBucketResult>${entries.join('')}</ListBucketResult>`)
      return { status: 200, headers: {}, body, header: () => undefined }
    },
  }
}
