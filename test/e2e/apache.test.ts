import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { makeImage, rootBytes } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { DEBIAN_MODULES, startApacheOn } from './support/apache.ts'
import { findFreePort } from './support/nginx.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

const MODULES = [...DEBIAN_MODULES, 'headers', 'rewrite']

describeWith(['apache2'], 'apache, as it is set up', () => {
  test('serves a web root with odd characters in its path', async () => {
    const { root, image } = await makeTree('with space,(x);@&=+')
    const port = await findFreePort()
    await emitHosts(openTree(root), [{ name: 'apache', options: { 'web-root': root, port: String(port) } }])
    const url = await serve(port, root)
    for (const reference of ['latest', image.root.digest]) {
      const answer = await fetch(`${url}/v2/app/manifests/${reference}`)
      expect(answer.headers.get('docker-content-digest')).toBe(image.root.digest)
      expect(digestOf(new Uint8Array(await answer.arrayBuffer()))).toBe(image.root.digest)
    }
    for (const path of [`blobs/${[...image.blobs.keys()][0]}`, 'tags/list', 'tags/list?last=latest'])
      expect((await fetch(`${url}/v2/app/${path}`)).status, path).toBe(200)
  })

  test.for(['headers', 'rewrite'])('does not start without mod_%s, and says what to do', async absent => {
    const { root } = await makeTree('root')
    await emitHosts(openTree(root), [{ name: 'apache', options: { 'web-root': root } }])
    const config = join(root, 'own.conf')
    const modules = MODULES.filter(name => name !== absent)
    const load = modules.map(name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
    await writeFile(config, `${load.join('\n')}\nInclude "${root}/apache/registry.conf"\n`)
    const { exitCode, stderr } = await execa(toolPath('apache2'), ['-t', '-f', config], { reject: false })
    expect(exitCode).not.toBe(0)
    expect(stderr).toContain('a2enmod headers rewrite')
  })
})

async function makeTree(name: string): Promise<{ root: string; image: Awaited<ReturnType<typeof makeImage>> }> {
  const folder = await makeTemporaryFolder()
  await chmod(folder, 0o755)
  const root = join(folder, name)
  await mkdir(root, { mode: 0o755 })
  const image = await makeImage()
  expect(digestOf(rootBytes(image))).toBe(image.root.digest)
  await writeTree(root, 'app', { latest: image })
  return { root, image }
}

async function serve(port: number, root: string): Promise<string> {
  const apache = await startApacheOn(port, MODULES, `Include "${root}/apache/registry.conf"`)
  onTestFinished(apache.close)
  return apache.url
}
