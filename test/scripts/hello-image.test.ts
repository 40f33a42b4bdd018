import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type Architecture, makeHelloExecutable } from '../../scripts/sample/hello-executable.ts'
import { HELLO, makeHelloImage } from '../../scripts/sample/hello-image.ts'
import { parseManifest, references } from '../../src/oci/manifest.ts'
import { formatPlatform } from '../../src/oci/platform.ts'
import { rootBytes } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const HERE = ({ x64: 'amd64', arm64: 'arm64' } as Readonly<Record<string, Architecture>>)[process.arch]

test.skipIf(process.platform !== 'linux' || HERE === undefined)(
  'the executable for this machine prints its message and exits with 0 (Linux on amd64 or arm64)',
  async () => {
    const file = join(await makeTemporaryFolder(), 'hello')
    const message = `${'a long line, '.repeat(100)}ä\n`
    await writeFile(file, makeHelloExecutable(HERE ?? 'amd64', message), { mode: 0o755 })
    const { status, stdout, stderr } = spawnSync(file, { encoding: 'utf8' })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: message, stderr: '' })
  },
)

test.each([
  ['amd64', 62, [0xb8, 0x01, 0x00, 0x00, 0x00]], // mov eax, 1
  ['arm64', 183, [0x20, 0x00, 0x80, 0xd2]], // movz x0, #1
] as const)(
  'the executable for %s is a static ELF file for that machine, its message at the end',
  (name, machine, code) => {
    const file = Buffer.from(makeHelloExecutable(name, 'message'))
    expect(file.subarray(0, 4).toString('latin1')).toBe('\x7fELF')
    expect(file.readUInt16LE(18)).toBe(machine)
    const [entry, base] = [file.readBigUInt64LE(24), file.readBigUInt64LE(64 + 16)]
    expect([...file.subarray(Number(entry - base))].slice(0, code.length)).toEqual(code)
    expect(file.readBigUInt64LE(64 + 32)).toBe(BigInt(file.length))
    expect(file.subarray(-7).toString()).toBe('message')
  },
)

test('the image has one layer with one executable for each platform, and starts it', async () => {
  const { root, manifests, blobs } = await makeHelloImage()
  const children = [...references(parseManifest(rootBytes({ root, manifests, blobs })))]
  expect(children.map(({ platform }) => platform && formatPlatform(platform))).toEqual(['linux/amd64', 'linux/arm64'])
  for (const { digest } of children) {
    const [config, layer, ...more] = references(parseManifest(manifests.get(digest) ?? new Uint8Array()))
    expect(more).toEqual([])
    const settings = Buffer.from((config && blobs.get(config.digest)) ?? '').toString()
    expect(JSON.parse(settings)).toMatchObject({ config: { Entrypoint: ['/hello'] } })
    const tar = gunzipSync((layer && blobs.get(layer.digest)) ?? '')
    expect(tar.subarray(0, 5).toString()).toBe('hello')
    expect(Number.parseInt(tar.subarray(100, 107).toString(), 8)).toBe(0o755)
    expect(tar.includes(`${HELLO}\n`)).toBe(true)
  }
})
