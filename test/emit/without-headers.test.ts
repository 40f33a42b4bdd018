import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { EMITTERS } from '../../src/emit/hosts.ts'
import { refuseWithoutHeaders, WITHOUT_HEADERS } from '../../src/emit/without-headers.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { route, routeTable } from '../contract/emitter-routes.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

const [A, B, C] = ['a', 'b', 'c'].map(letter => `sha256:${letter.repeat(64)}`) as [string, string, string]
const TABLE = routeTable([
  route('app', 'manifest', A, OCI_INDEX, A),
  route('app', 'manifest', B, OCI_MANIFEST, B),
  route('app', 'manifest', C, DOCKER_MANIFEST, C),
  route('app', 'tag', 'latest', OCI_INDEX, A),
  route('app', 'tag', '1.0', OCI_INDEX, A),
  route('app', 'tag', 'amd64', OCI_MANIFEST, B),
  route('app', 'tag', 'old', DOCKER_MANIFEST, C),
])

test.each(WITHOUT_HEADERS.map(host => [host.name, host] as const))(
  '%s is refused with figures and a way out',
  async (_name, host) => {
    await expect(refuseWithoutHeaders(host, TABLE)).rejects.toMatchObject({
      code: 'unsupported',
      side: 'target',
      message: expect.stringMatching(
        /^\S.* cannot be told the Content-Type of a file.*send all 3 manifests as .*pull none of the tags \(4\); crane 2 that name an image for one platform, with a warning$/,
      ),
      hint: expect.stringContaining('--host cloudflare-pages or --host netlify'),
    })
  },
)

test('one of each is said as one', async () => {
  const [host] = WITHOUT_HEADERS
  if (host === undefined) throw new Error('no host')
  const table = routeTable([
    route('app', 'manifest', B, OCI_MANIFEST, B),
    route('app', 'tag', 'latest', OCI_MANIFEST, B),
  ])
  await expect(refuseWithoutHeaders(host, table)).rejects.toThrow(
    /would send its one manifest as .*; crane 1 that names an image/,
  )
})

test('where all tags name several platforms crane cannot guess either', async () => {
  const [host] = WITHOUT_HEADERS
  if (host === undefined) throw new Error('no host')
  const table = routeTable([route('app', 'manifest', A, OCI_INDEX, A), route('app', 'tag', 'latest', OCI_INDEX, A)])
  await expect(refuseWithoutHeaders(host, table)).rejects.toThrow('pull none of the tags (1); neither would crane')
})

test('what is recommended instead can be emitted for, what is refused cannot', () => {
  const names = EMITTERS.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['cloudflare-pages', 'netlify']))
  for (const { name } of WITHOUT_HEADERS) expect(names).not.toContain(name)
})

test('nothing is written for hosts that are named beside one that is refused', async () => {
  const root = await makeTemporaryFolder()
  await writeTree(root, 'app', { latest: await makeImage() })
  await expect(emitHosts(openTree(root), [{ name: 'nginx' }, { name: 'github-pages' }])).rejects.toMatchObject({
    code: 'unsupported',
  })
  expect(existsSync(join(root, 'nginx'))).toBe(false)
})
