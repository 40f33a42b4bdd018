import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { readCpuOfEnded, runMeasured } from '../../scripts/bench/programs.ts'
import { putHole, putImage, putRandomLayer } from '../../scripts/bench/registry-data.ts'
import { makeDiskScratch } from '../../scripts/bench/scratch.ts'
import { findFreePort, startServer } from '../../scripts/bench/server-process.ts'
import type { Server } from '../../scripts/bench/servers.ts'
import { digestOf } from '../../src/oci/digest.ts'

test('an image is put where docker-registry keeps it: every blob bears its digest, and every link leads to one', () => {
  const root = makeFolder()
  const data = { root, repository: 'team/app' }
  const layers = [putRandomLayer(data, 5000), putHole(data, 3 * 2 ** 20 + 7)]
  const manifest = putImage(data, '1.0', layers)
  const v2 = join(root, 'docker/registry/v2')
  const blob = (digest: string): Buffer =>
    readFileSync(join(v2, 'blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data'))
  const own = join(v2, 'repositories/team/app')
  const links = (readdirSync(own, { recursive: true }) as string[]).filter(path => path.endsWith('/link')).sort()
  const digests = links.map(path => readFileSync(join(own, path), 'utf8'))
  expect(links).toEqual(
    [
      ...[...new Set(digests)]
        .filter(digest => digest !== manifest.digest)
        .map(digest => `_layers/sha256/${digest.slice(7)}/link`),
      `_manifests/revisions/sha256/${manifest.digest.slice(7)}/link`,
      '_manifests/tags/1.0/current/link',
    ].sort(),
  )
  for (const digest of digests) expect(digestOf(blob(digest))).toBe(digest)
  const image = JSON.parse(blob(manifest.digest).toString())
  const { rootfs } = JSON.parse(blob(image.config.digest).toString())
  const [random, zeros]: Buffer[] = image.layers.map(({ digest }: { digest: string }) => blob(digest))
  if (random === undefined || zeros === undefined) throw new Error('there are two layers')
  expect(image.layers.map(({ size }: { size: number }) => size)).toEqual([random.length, 3 * 2 ** 20 + 7])
  expect([random.length >= 5000, zeros.length]).toEqual([true, 3 * 2 ** 20 + 7])
  expect(rootfs.diff_ids).toEqual([digestOf(gunzipSync(random)), digestOf(zeros)])
})

test('a server is started, asked, looked at and stopped', async () => {
  const place = { root: '', folder: makeFolder(), port: await findFreePort() }
  const running = await startServer(answering('response.end()'), place, { path: '/' })
  expect((await fetch(running.url)).status).toBe(200)
  expect(running.use().memory).toBeGreaterThan(0)
  await running.stop()
  await expect(fetch(running.url)).rejects.toThrow()
})

test.each([
  ['answers with something else', "console.error('how odd'); response.writeHead(503).end()", /503: how odd/],
  ['ends by itself', 'process.exit(1)', /ended by itself/],
])('a server is not taken for one that runs where it %s', async (_, reaction, reason) => {
  const place = { root: '', folder: makeFolder(), port: await findFreePort() }
  await expect(startServer(answering(reaction), place, { path: '/' })).rejects.toThrow(reason)
  await expect(fetch(`http://127.0.0.1:${place.port}`)).rejects.toThrow()
})

test('the processor time of programs that ended is known, however short they were', async () => {
  const before = readCpuOfEnded()
  await runMeasured([process.execPath, '-e', 'while (process.cpuUsage().user < 200_000);'])
  const used = readCpuOfEnded() - before
  if (existsSync('/proc/self/stat')) expect(used).toBeGreaterThanOrEqual(0.19)
  else expect(used).toBeNaN()
})

test('a folder on a disk is not in memory, or there is none', () => {
  expect(makeDiskScratch({ bytes: 2 ** 60, files: 0 })).toBeUndefined()
  const TMPFS = 0x01021994
  const disk = makeDiskScratch({ bytes: 0, files: 0 })
  const expected = [tmpdir(), process.cwd()].some(folder => statfsSync(folder).type !== TMPFS)
  expect(disk !== undefined && statfsSync(disk.folder).type !== TMPFS).toBe(expected)
  disk?.remove()
  expect(existsSync(disk?.folder ?? '')).toBe(false)
})

function answering(reaction: string): Server {
  const program = (port: number): string =>
    `require('node:http').createServer((request, response) => { ${reaction} }).listen(${port}, '127.0.0.1')`
  return { program: process.execPath, command: (_, { port }) => [process.execPath, '-e', program(port)] }
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'registrish-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}
