import { execFileSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { digestOf } from '../contract/tree-by-hand.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { connectTo, eventually, type Served, serveTree } from './serve-support.ts'

const MAKE_PIPE = 'mkfifo'
const LARGE = 32 * 1024 * 1024

interface Place {
  readonly outside: string
  /** Absolute path of the file that is replaced. */
  readonly file: string
}

/** What may come to stand where a file was, in a moment. */
const REPLACEMENTS: readonly (readonly [name: string, put: (place: Place) => unknown])[] = [
  ['nothing', () => undefined],
  ['a folder', ({ file }) => mkdirSync(file)],
  ['a folder with files', ({ file }) => mkdirSync(join(file, 'latest'), { recursive: true })],
  ['a pipe without a writer', ({ file }) => execFileSync(MAKE_PIPE, [file])],
  ['a symbolic link out of v2', ({ file, outside }) => symlinkSync(join(outside, 'secret'), file)],
  ['a symbolic link to a folder', ({ file, outside }) => symlinkSync(outside, file)],
  ['a symbolic link to itself', ({ file }) => symlinkSync(file, file)],
  ['a symbolic link to nowhere', ({ file }) => symlinkSync('nowhere', file)],
  ['a symbolic link to a device', ({ file }) => symlinkSync('/dev/zero', file)],
  ['a symbolic link to a file of the system', ({ file }) => symlinkSync('/proc/self/environ', file)],
  ['a socket', putSocket],
]

/** Made elsewhere: a socket's own path may have some 100 bytes only, beyond which Node 20 cuts it off in silence. */
async function putSocket({ file, outside }: Place): Promise<void> {
  const path = join(outside, 'socket')
  const server = createServer().listen(path)
  onTestFinished(() => new Promise(resolve => server.close(() => resolve())))
  await new Promise(resolve => server.once('listening', resolve))
  renameSync(path, file)
}

const posix = test.runIf(process.platform !== 'win32')

posix.for(REPLACEMENTS)('a blob that becomes %s is not there, a manifest neither', async ([, put]) => {
  const { tree, get } = await serveTree()
  const outside = await makeTemporaryFolder()
  writeFileSync(join(outside, 'secret'), 'nobody may read this')
  const [blob] = tree.blobs
  for (const path of [`app/blobs/${blob?.digest}`, 'app/manifests/latest']) {
    expect((await get(`/v2/${path}`)).status).toBe(200)
    const file = join(tree.root, 'v2', path)
    rmSync(file)
    await put({ file, outside })
    const answer = await get(`/v2/${path}`)
    expect([answer.status, answer.body.toString()]).toEqual([404, expect.not.stringContaining('secret')])
    expect((await get('/v2/app/tags/list')).body.toString()).toBe(
      path.includes('blobs') ? '{"name":"app","tags":["latest"]}' : '{"name":"app","tags":[]}',
    )
  }
  expect((await get(`/v2/app/manifests/${tree.manifests[0]?.digests[0]}`)).status).toBe(200)
})

posix.for(REPLACEMENTS)('a repository of which the folder becomes %s has nothing', async ([, put]) => {
  const { tree, get } = await serveTree()
  const outside = await makeTemporaryFolder()
  writeFileSync(join(outside, 'secret'), 'nobody may read this')
  for (const folder of ['blobs', 'manifests']) {
    const path = join(tree.root, 'v2/app', folder)
    renameSync(path, `${path}.was`)
    await put({ file: path, outside })
  }
  for (const path of ['manifests/latest', `blobs/${tree.blobs[0]?.digest}`])
    expect((await get(`/v2/app/${path}`)).status, path).toBe(404)
  expect([200, 404]).toContain((await get('/v2/app/tags/list')).status)
  expect((await get('/v2/_catalog')).status).toBe(200)
  expect((await get('/v2/')).status).toBe(200)
})

interface Sending extends Served {
  readonly file: string
  readonly bytes: Buffer
  /** All of the answer once the client reads on, and whether it ended well: with all that Content-Length promised. */
  rest(): Promise<{ readonly body: Buffer; readonly whole: boolean }>
}

/** Asks for a blob that does not fit into the kernel's buffers, and does not read it yet. */
async function beginToSend(headers = ''): Promise<Sending> {
  const bytes = Buffer.alloc(LARGE, 'registrish')
  const served = await serveTree(tree => void tree.blob('app', bytes))
  const path = `/v2/app/blobs/${served.tree.blobs[0]?.digest}`
  const { socket, ...connection } = await connectTo(served.server, { reads: false })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`)
  await eventually(() => served.events.some(({ type }) => type === 'answered'), 'the answer began')
  return {
    ...served,
    bytes,
    file: join(served.tree.root, path),
    async rest() {
      const chunks: Buffer[] = []
      socket.on('data', chunk => chunks.push(chunk))
      socket.resume()
      await connection.ended()
      const all = Buffer.concat(chunks)
      const end = all.indexOf('\r\n\r\n')
      const body = all.subarray(end + 4)
      const length = /Content-Length: (\d+)/.exec(all.subarray(0, end).toString())?.[1]
      return { body, whole: body.length === Number(length) }
    },
  }
}

test.for([0, 1, 1_000_000, LARGE - 1])(
  'a blob that is cut to %i bytes while it is sent is never short or padded in silence',
  async size => {
    const { file, bytes, rest, events } = await beginToSend()
    truncateSync(file, size)
    const { body, whole } = await rest()
    expect(whole).toBe(false)
    expect(body.equals(bytes.subarray(0, body.length))).toBe(true)
    await eventually(() => events.some(({ type }) => type === 'failed'), 'the operator hears of it')
  },
)

test('a blob that grows, or gets other bytes at its end, while it is sent breaks the connection', async () => {
  for (const position of [LARGE, LARGE - 10]) {
    const { file, rest } = await beginToSend()
    const fd = openSync(file, 'r+')
    writeSync(fd, 'other bytes', position)
    closeSync(fd)
    expect((await rest()).whole).toBe(false)
  }
})

test('a part of a blob that is cut while it is sent breaks the connection too', async () => {
  for (const range of ['0-33000000', '0-20000000,21000000-22000000', '-30000000']) {
    const { file, rest } = await beginToSend(`Range: bytes=${range}\r\n`)
    truncateSync(file, 15_000_000)
    expect((await rest()).whole, range).toBe(false)
  }
})

posix.for(REPLACEMENTS)('a blob that becomes %s while it is sent arrives as it was', async ([, put]) => {
  const { file, bytes, rest } = await beginToSend()
  rmSync(file)
  await put({ file, outside: await makeTemporaryFolder() })
  const { body, whole } = await rest()
  expect(whole).toBe(true)
  expect(body.equals(bytes)).toBe(true)
})

test('a blob that is replaced again and again is sent from one file, under the length of that file', async () => {
  const { tree, get } = await serveTree(made => void made.blob('app', Buffer.alloc(300_000, 'a')))
  const path = `/v2/app/blobs/${tree.blobs[0]?.digest}`
  const file = join(tree.root, path)
  const others = [Buffer.alloc(300_000, 'a'), Buffer.alloc(700_001, 'b'), Buffer.alloc(5, 'c')]
  for (const [number, bytes] of others.entries()) writeFileSync(`${tree.root}/other-${number}`, bytes)
  let turn = 0
  const timer = setInterval(() => {
    copyFileSync(`${tree.root}/other-${turn++ % 3}`, `${tree.root}/next`)
    renameSync(`${tree.root}/next`, file)
  }, 0)
  try {
    const wanted = new Set(others.map(bytes => digestOf(bytes)))
    for (let round = 0; round < 50; round++) {
      for (const answer of await Promise.all([get(path), get(path)])) {
        expect(answer.status).toBe(200)
        expect(answer.header('content-length')).toBe(String(answer.body.length))
        expect(wanted).toContain(digestOf(answer.body))
      }
    }
  } finally {
    clearInterval(timer)
  }
})
