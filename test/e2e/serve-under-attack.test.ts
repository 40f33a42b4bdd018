import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { TreeByHand } from '../contract/tree-by-hand.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type AttackedServer, startAttacked } from './support/attacked-server.ts'
import { gatherCrowd } from './support/crowd.ts'
import { pollUntil } from './support/poll.ts'
import { describeWith } from './support/suites.ts'

const MAKE_PIPE = 'mkfifo'
const PING = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'

async function makeTree(): Promise<TreeByHand> {
  const tree = new TreeByHand(await makeTemporaryFolder())
  tree.image('app', { tags: ['latest'], note: 'app' })
  tree.blob('app', Buffer.alloc(16 * 1024 * 1024, 'registrish'))
  return tree
}

function blobRequest(tree: TreeByHand): string {
  return `GET /v2/app/blobs/${tree.blobs.at(-1)?.digest} HTTP/1.1\r\nHost: x\r\n\r\n`
}

/** What a client that behaves well asks for, and whether all of it is right. */
async function expectServed({ url }: AttackedServer, tree: TreeByHand): Promise<void> {
  const [manifest] = tree.manifests
  const [config] = tree.blobs
  const ask = async (path: string): Promise<{ readonly status: number; readonly digest: string }> => {
    const answer = await fetch(`${url}/v2/${path}`, { signal: AbortSignal.timeout(10_000) })
    const bytes = Buffer.from(await answer.arrayBuffer())
    return { status: answer.status, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` }
  }
  expect(await ask('app/manifests/latest')).toEqual({ status: 200, digest: manifest?.digests[0] })
  expect(await ask(`app/blobs/${config?.digest}`)).toEqual({ status: 200, digest: config?.digest })
}

/** Writes on a connection of its own and leaves: when the server ends it, or at once by a reset. */
function attack(port: number, bytes: string, leavesAtOnce: boolean): Promise<void> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      if (leavesAtOnce) socket.write(bytes, 'latin1', () => socket.resetAndDestroy())
      else socket.end(bytes, 'latin1')
    })
    socket.on('error', () => undefined)
    socket.once('close', () => resolve())
    socket.resume()
  })
}

async function repeat(times: number, atOnce: number, action: (number: number) => Promise<unknown>): Promise<void> {
  let number = 0
  const worker = async (): Promise<void> => {
    while (number < times) await action(number++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

describeWith(['bash'], 'serve under attack', () => {
  it('stays up and its memory flat over 50,000 bad requests, and serves others meanwhile', async () => {
    const tree = await makeTree()
    writeFileSync(join(tree.root, 'v2/app/manifests/junk'), 'no manifest')
    const server = await startAttacked(tree.root)
    const bad = [
      ...['/v2/app/manifests/none', '/v2/app/manifests/junk', '/v2/none/tags/list', '/v2/..%2f..%2fetc/passwd'],
      ...['/v2/%zz', `/v2/${'a/'.repeat(250)}`, `/v2/app/blobs/sha256:${'0'.repeat(64)}`, '/v2/app/tags/list?n=x'],
    ].map(path => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    bad.push('POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc')
    const last = [
      ...['\x16\x03\x01\x00\xa5', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', `GET /${'a'.repeat(70_000)}`, '\0'.repeat(1000)],
      'GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      blobRequest(tree),
    ]
    const round = (number: number): Promise<void> =>
      attack(
        server.port,
        bad.map((_, at) => bad[(at + number) % bad.length]).join('') + last[number % last.length],
        number % 4 === 0,
      )
    await repeat(500, 20, round)
    const before = server.memory()
    let served = 0
    const others = repeat(20, 1, async () => {
      await expectServed(server, tree)
      served += 1
      await delay(50)
    })
    await repeat(5000, 20, round)
    await others
    expect([served, server.isUp()]).toEqual([20, true])
    const growth = server.memory() - before
    process.stderr.write(`serve: ${growth.toFixed(0)} MB of growth over 50,000 bad requests\n`)
    expect(growth).toBeLessThan(60)
    // each of thousands of damaged manifests would be a line
    expect(server.said().split('\n').length).toBeLessThan(2000)
  })

  it('serves others besides 10,000 idle connections, half of a request on each', async () => {
    const tree = await makeTree()
    const server = await startAttacked(tree.root)
    await expectServed(server, tree)
    const before = server.memory()
    const crowd = await gatherCrowd(server.port, 10_000)
    await expectServed(server, tree)
    await crowd.write(PING)
    await expectServed(server, tree)
    await crowd.write('GET /v2/ HTTP/1.1\r\nHos')
    await expectServed(server, tree)
    const each = ((server.memory() - before) * 1024) / crowd.size
    process.stderr.write(`serve: ${crowd.size} idle connections, ${each.toFixed(1)} KB each\n`)
    expect(crowd.size).toBeGreaterThan(500)
    expect(each).toBeLessThan(40)
    crowd.leave()
    await expectServed(server, tree)
    expect(server.isUp()).toBe(true)
  })

  it('does not keep what clients pipeline that never read', async () => {
    const tree = await makeTree()
    const server = await startAttacked(tree.root)
    await expectServed(server, tree)
    const before = server.memory()
    const crowd = await gatherCrowd(server.port, 100, { reads: false })
    await crowd.write(blobRequest(tree) + PING.repeat(10_000))
    await pollUntil(async () => (await crowd.left()) > 0 && server.memory() > 0)
    await expectServed(server, tree)
    const growth = server.memory() - before
    process.stderr.write(`serve: ${growth.toFixed(0)} MB for 1,000,000 pipelined requests that nobody reads\n`)
    // each waiting request takes 3 to 4 KB: unbounded, what is read of these takes 700 MB
    expect(growth).toBeLessThan(250)
    crowd.leave()
    await expectServed(server, tree)
  })

  it('with 64 descriptors refuses what is too much, rests, and serves again when others leave', async () => {
    const tree = await makeTree()
    const server = await startAttacked(tree.root, { files: 64 })
    const idle = await gatherCrowd(server.port, 300)
    const resting = server.cpu()
    await delay(1500)
    expect(server.cpu() - resting, 'seconds of processor time while it can accept nobody').toBeLessThan(0.5)
    idle.leave()
    await pollUntil(() => isServed(server, tree))

    // some connections are accepted for which no file can be opened
    const busy: Crowds = await Promise.all([1, 2, 3].map(() => gatherCrowd(server.port, 18, { reads: false })))
    for (const crowd of busy) await crowd.write(blobRequest(tree))
    await delay(200)
    expect(server.isUp()).toBe(true)
    for (const crowd of busy) crowd.leave()
    await pollUntil(() => isServed(server, tree))
    await repeat(20, 1, () => expectServed(server, tree))
  })

  it('answers 503 while it has a connection but no descriptor for the file', async () => {
    const tree = await makeTree()
    const server = await startAttacked(tree.root, { files: 64 })
    const statuses = new Set<string>()
    const sockets = Array.from({ length: 40 }, () => connect(server.port, '127.0.0.1'))
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    for (const socket of sockets) {
      socket.on('error', () => undefined)
      socket.once('data', chunk => {
        statuses.add(chunk.subarray(9, 12).toString())
        socket.pause()
      })
    }
    await pollUntil(() => sockets.every(socket => !socket.connecting))
    for (const socket of sockets) socket.write(blobRequest(tree))
    await pollUntil(() => statuses.has('503') && statuses.has('200'))
    expect(server.said()).toContain('EMFILE')
    for (const socket of sockets) socket.destroy()
    await pollUntil(() => isServed(server, tree))
  })

  it('outlives whoever reads its messages', async () => {
    const tree = await makeTree()
    writeFileSync(join(tree.root, 'v2/app/manifests/junk'), 'no manifest')
    const server = await startAttacked(tree.root)
    server.stopListening()
    for (let round = 0; round < 5; round++) {
      expect((await fetch(`${server.url}/v2/app/manifests/junk`)).status).toBe(404)
      await delay(20)
    }
    await expectServed(server, tree)
    expect(server.isUp()).toBe(true)
  })

  it('is neither held up nor filled by pipes and devices that take the place of a manifest while it is read', async () => {
    const tree = await makeTree()
    const server = await startAttacked(tree.root)
    const folder = join(tree.root, 'v2/app/manifests')
    execFileSync(MAKE_PIPE, [join(folder, '.pipe')])
    const swapper = spawn(process.execPath, ['-e', SWAP, folder], { stdio: 'ignore' })
    onTestFinished(() => void swapper.kill('SIGKILL'))
    const before = server.memory()
    const statuses = new Set<number>()
    const until = Date.now() + 3000
    await Promise.all(
      ['manifests/moving', 'tags/list', 'manifests/moving', 'manifests/moving'].map(async path => {
        while (Date.now() < until) {
          const answer = await fetch(`${server.url}/v2/app/${path}`, { signal: AbortSignal.timeout(10_000) })
          await answer.arrayBuffer()
          statuses.add(answer.status)
        }
      }),
    )
    expect([swapper.exitCode, statuses.has(200)], 'manifests came and went all the while').toEqual([null, true])
    swapper.kill('SIGKILL')
    for (const status of statuses) expect([200, 404, 503], server.said()).toContain(status)
    expect(server.memory() - before).toBeLessThan(100)
    await expectServed(server, tree)
  })
})

type Crowds = Awaited<ReturnType<typeof gatherCrowd>>[]

/** Puts a manifest, a pipe and a link to a device in each other's place, as fast as the kernel can. */
const SWAP = `
const { linkSync, renameSync, symlinkSync } = require('node:fs')
process.chdir(process.argv[1])
for (;;) {
  linkSync('.pipe', '.next')
  renameSync('.next', 'moving')
  linkSync('latest', '.next')
  renameSync('.next', 'moving')
  symlinkSync('/dev/zero', '.next')
  renameSync('.next', 'moving')
  linkSync('latest', '.next')
  renameSync('.next', 'moving')
}
`

async function isServed(server: AttackedServer, tree: TreeByHand): Promise<boolean> {
  try {
    await expectServed(server, tree)
    return true
  } catch {
    return false
  }
}
