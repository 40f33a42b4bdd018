import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { type AzureOptions, openAzureCalls, openAzureStore } from '../../../src/deploy/azure/store.ts'
import type { ObjectStore } from '../../../src/deploy/store.ts'
import type { ProgressEvent } from '../../../src/progress.ts'

/* A blob service that says what it is told to say, and remembers what it was asked. What Azure does by itself is asked of azurite, in test/e2e. */

/** One request as it came. */
export interface Asked {
  readonly method: string
  /** As it stood in the first line of the request. */
  readonly target: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** What is said to one; `cut`: nothing, the connection is broken. */
export type Said =
  | 'cut'
  | {
      readonly status: number
      /** Azure's code of an error. */
      readonly code?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
      /** Breaks the connection after the headers and these bytes. */
      readonly cutAfter?: number
      /** As if it were not Azure that spoke. */
      readonly foreign?: true
    }

export interface FakeAzure {
  readonly endpoint: string
  readonly origin: string
  readonly asked: readonly Asked[]
  /** `PUT block`, `PUT blob`…: what each request was, in order. */
  log(): readonly string[]
}

export const ACCOUNT = 'registry'
export const KEY: string = randomBytes(64).toString('base64')

/** Starts a service that answers with what `answer` gives: by request, and its number from 0. */
export async function startFakeAzure(
  answer: (asked: Asked, number: number) => Said | Promise<Said>,
): Promise<FakeAzure> {
  const asked: Asked[] = []
  const server = createServer((request, response) => void serve(request, response))
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const one = await readRequest(request).catch(() => undefined)
    if (one === undefined) return // hung up on
    asked.push(one)
    const said = await answer(one, asked.length - 1)
    if (said === 'cut') request.socket.destroy()
    else say(response, one, said)
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, endpoint: `${origin}/${ACCOUNT}`, asked, log: () => asked.map(nameOf) }
}

/** Opens a store on a fake, without pauses; gives the events of its retries too. */
export async function openOn(
  fake: Pick<FakeAzure, 'endpoint'>,
  options: Partial<AzureOptions> = {},
): Promise<{ readonly store: ObjectStore; readonly retries: readonly ProgressEvent[] }> {
  const retries: ProgressEvent[] = []
  const store = await openAzureStore({ ...optionsOn(fake), onProgress: event => void retries.push(event), ...options })
  onTestFinished(() => store.close())
  return { store, retries }
}

/** The same for what a store is made of. */
export async function openCallsOn(fake: Pick<FakeAzure, 'endpoint'>): ReturnType<typeof openAzureCalls> {
  const calls = await openAzureCalls(optionsOn(fake))
  onTestFinished(() => calls.transport.close())
  return calls
}

function optionsOn({ endpoint }: Pick<FakeAzure, 'endpoint'>): AzureOptions {
  return {
    ...{ account: ACCOUNT, container: '$web', endpoint },
    env: { AZURE_STORAGE_KEY: KEY },
    sleep: async () => undefined,
  }
}

/** What is said of a blob that is there. */
export function blob(headers: Readonly<Record<string, string>> = {}, body = ''): Said {
  return {
    status: 200,
    headers: { etag: '"0x1"', 'content-type': 'a/b', 'cache-control': 'no-cache', ...headers },
    body,
  }
}

/** A page of a listing, with an etag and a size of 1 for each. */
export function listing(names: readonly string[], next = '', properties = ''): Said {
  const blobs = names.map(
    name =>
      `<Blob><Name>${name}</Name><Properties><Etag>0x1</Etag><Content-Length>1</Content-Length>${properties}</Properties></Blob>`,
  )
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="x" ContainerName="$web"><Blobs>${blobs.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`,
  }
}

export const WRITTEN: Said = { status: 201, headers: { etag: '"0x2"' } }

async function readRequest(request: IncomingMessage): Promise<Asked> {
  const { method = '', url: target = '', headers } = request
  const { pathname, searchParams } = new URL(target, 'http://fake')
  return {
    method,
    target,
    path: decodeURIComponent(pathname),
    query: searchParams,
    headers,
    body: await buffer(request),
  }
}

function say(response: ServerResponse, { method }: Asked, said: Exclude<Said, 'cut'>): void {
  const { status, code, headers = {}, cutAfter, foreign } = said
  const xml = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>Said of ${code}.\nRequestId:1\nTime:2</Message></Error>`
  const body = said.body ?? (code === undefined ? '' : xml)
  response.writeHead(status, {
    ...(code === undefined ? {} : { 'x-ms-error-code': code, 'content-type': 'application/xml' }),
    ...(foreign === true ? {} : { 'x-ms-request-id': '1', 'x-ms-version': '2026-02-06' }),
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  })
  if (cutAfter === undefined) response.end(method === 'HEAD' ? undefined : body)
  else response.write(body.slice(0, cutAfter), () => response.destroy())
}

function nameOf({ method, query, headers }: Asked): string {
  if (headers['x-ms-copy-source'] !== undefined) return 'PUT copy'
  return `${method} ${query.get('comp') ?? 'blob'}`
}
