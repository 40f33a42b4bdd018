import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'

/*
 * The Edge Storage API of bunny.net as its documentation and its own SDK have it, strict: files and folders, no conditions, no cache life; deleting a folder
 * deletes what is in it. It fails on demand.
 */

/** A file as it stands. */
interface BunnyFile {
  readonly bytes: Buffer
  readonly contentType: string
  readonly changed: number
}

/** What goes wrong with the next request that fits: a status, a connection that breaks before or after the work is done, a byte that changes on the way, bytes of another write. */
export interface BunnyFault {
  /** `list`, `get`, `describe`, `put`, `delete`. Default: any. */
  readonly operation?: string
  readonly kind: number | 'reset-unread' | 'reset-answering' | 'corrupt' | 'other-bytes' | 'page'
  readonly retryAfter?: string
  /** Of a page. Default 403. */
  readonly status?: number
}

export interface BunnyServerOptions {
  /** Default `zone`. */
  readonly zone?: string
  /** Says no checksum of files, as of old ones. Default false. */
  readonly noChecksum?: boolean
  /** Answers 404 to a listing of a folder that is not there, not an empty list. Default false. */
  readonly missingFolder404?: boolean
}

/** A server with one zone; its password is `password`. */
export interface BunnyServer {
  readonly url: string
  readonly files: Map<string, BunnyFile>
  /** Requests as lines: `put v2/a`. */
  readonly log: string[]
  readonly faults: BunnyFault[]
  /** Folders whose deletion was asked for: none ever should be. */
  readonly deletedFolders: string[]
  close(): Promise<void>
}

/** Starts a server on a port of the system's choice. */
export async function startBunnyServer(options: BunnyServerOptions = {}): Promise<BunnyServer> {
  const state: State = { files: new Map(), log: [], faults: [], deletedFolders: [], changes: 0, options }
  const http = createServer((request, response) => void serve(state, request, response))
  await listen(http)
  const sockets = new Set<Socket>()
  const front = createFront((http.address() as AddressInfo).port, sockets)
  await listen(front)
  return Object.assign(state, {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy()
      http.closeAllConnections()
      await Promise.all([front, http].map(server => new Promise(resolve => server.close(resolve))))
    },
  })
}

interface State extends Omit<BunnyServer, 'url' | 'close'> {
  changes: number
  readonly options: BunnyServerOptions
}

/** Node's servers know no DESCRIBE: it is told to them as another method of as many letters, where a request begins. */
function createFront(port: number, sockets: Set<Socket>): Server {
  return createTcpServer({ noDelay: true }, socket => {
    const behind = connect({ port, host: '127.0.0.1', noDelay: true })
    sockets.add(socket)
    socket.on('data', data => {
      const isDescribe = data.subarray(0, 10).toString('latin1') === 'DESCRIBE /'
      behind.write(isDescribe ? Buffer.concat([Buffer.from('PROPFIND'), data.subarray(8)]) : data)
    })
    behind.pipe(socket)
    const end = (): void => {
      sockets.delete(socket)
      socket.destroy()
      behind.destroy()
    }
    for (const one of [socket, behind]) one.on('error', end).on('close', end)
  })
}

function listen(server: Server): Promise<void> {
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve()))
}

const OPERATIONS: Readonly<Record<string, string>> = { PROPFIND: 'describe', PUT: 'put', DELETE: 'delete' }

async function serve(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { zone = 'zone' } = state.options
  const path = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname)
  const isInZone = path.startsWith(`/${zone}/`)
  const key = path.slice(zone.length + 2)
  const operation = OPERATIONS[request.method ?? ''] ?? (key === '' || key.endsWith('/') ? 'list' : 'get')
  state.log.push(`${operation} ${key}`)
  const index = state.faults.findIndex(fault => fault.operation === undefined || fault.operation === operation)
  const [fault] = index < 0 ? [] : state.faults.splice(index, 1)
  if (fault?.kind === 'reset-unread') return void request.socket.destroy()
  let body = await readBody(request).catch(() => undefined)
  if (body === undefined) return // broken off: nothing is written
  if (fault?.kind === 'corrupt') body = Buffer.from(body.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))
  const isKnown = isInZone && request.headers['accesskey'] === 'password'
  const answer =
    typeof fault?.kind === 'number'
      ? say(fault.kind, 'as it was told')
      : isKnown
        ? answerTo(state, { operation, key, body, request })
        : say(401, 'Unauthorized')
  if (fault?.kind === 'reset-answering') return void request.socket.destroy()
  if (fault?.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter)
  if (fault?.kind === 'page')
    return void response.writeHead(fault.status ?? 403, { 'content-type': 'text/html' }).end('<p>Log in')
  const { status, type = 'application/json' } = answer
  const content = fault?.kind === 'other-bytes' ? Buffer.alloc(answer.content.length, '?') : answer.content
  response.writeHead(status, { 'content-type': type, 'content-length': content.length }).end(content)
}

interface Answer {
  readonly status: number
  readonly type?: string
  readonly content: Buffer
}

interface Asked {
  readonly operation: string
  readonly key: string
  readonly body: Buffer
  readonly request: IncomingMessage
}

function answerTo(state: State, asked: Asked): Answer {
  const { operation, key } = asked
  const { files } = state
  if (operation === 'list') return list(state, key)
  if (operation === 'put') return put(state, asked)
  const file = files.get(key)
  if (operation === 'delete') {
    const below = [...files.keys()].filter(found => found.startsWith(key.endsWith('/') ? key : `${key}/`))
    if (file === undefined && below.length > 0) state.deletedFolders.push(key)
    for (const found of below) files.delete(found)
    return files.delete(key) || below.length > 0 ? say(200, 'File deleted successfuly.') : say(404, 'Object Not Found')
  }
  if (operation === 'describe') {
    const isFolder = [...files.keys()].some(found => found.startsWith(`${key}/`))
    if (file === undefined && !isFolder) return say(404, 'Object Not Found')
    return json(describe(state, key, file))
  }
  if (file === undefined) return say(404, 'Object Not Found')
  return { status: 200, type: file.contentType, content: file.bytes }
}

function put({ files, ...state }: State, { key, body, request }: Asked): Answer {
  if (key.endsWith('/')) return say(201, 'Directory created.')
  const { checksum, 'override-content-type': type } = request.headers
  const sum = createHash('sha256').update(body).digest('hex').toUpperCase()
  if (checksum !== undefined && checksum !== sum) return say(400, 'Checksum mismatch')
  if (key.split('/').includes('')) return say(400, 'Invalid path')
  const isInFile = [...files.keys()].some(found => key.startsWith(`${found}/`) || found.startsWith(`${key}/`))
  if (isInFile) return say(500, 'a file has no files in it')
  state.changes += 1
  const contentType = typeof type === 'string' ? type : 'application/octet-stream'
  files.set(key, { bytes: body, contentType, changed: Date.now() })
  return say(201, 'File uploaded.')
}

function list(state: State, folder: string): Answer {
  const inside = [...state.files].filter(([key]) => key.startsWith(folder))
  if (inside.length === 0 && folder !== '' && state.options.missingFolder404 === true)
    return say(404, 'Object Not Found')
  const folders = new Set<string>()
  const entries = inside.flatMap(([key, file]) => {
    const [name = '', ...rest] = key.slice(folder.length).split('/')
    if (rest.length === 0) return [describe(state, key, file)]
    if (folders.has(name)) return []
    folders.add(name)
    return [describe(state, `${folder}${name}`, undefined)]
  })
  // In no order that anyone has promised.
  return json(entries.reverse())
}

function describe({ options }: State, key: string, file: BunnyFile | undefined): Readonly<Record<string, unknown>> {
  const { zone = 'zone', noChecksum = false } = options
  const at = key.lastIndexOf('/') + 1
  const sum =
    file === undefined || noChecksum ? null : createHash('sha256').update(file.bytes).digest('hex').toUpperCase()
  return {
    Guid: '00000000-0000-0000-0000-000000000000',
    StorageZoneName: zone,
    Path: `/${zone}/${key.slice(0, at)}`,
    ObjectName: key.slice(at),
    Length: file?.bytes.length ?? 0,
    LastChanged: new Date(file?.changed ?? 0).toISOString().replace('Z', ''),
    IsDirectory: file === undefined,
    ContentType: file?.contentType ?? '',
    Checksum: sum,
    ReplicatedZones: null,
  }
}

function say(status: number, message: string): Answer {
  return json({ HttpCode: status, Message: message }, status)
}

function json(value: unknown, status = 200): Answer {
  return { status, content: Buffer.from(JSON.stringify(value)) }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
