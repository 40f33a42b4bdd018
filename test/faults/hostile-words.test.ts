import { expect, test } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { EMITTERS } from '../../src/emit/hosts.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { startRegistry } from '../fetch/fetch-support.ts'
import { makeRaw } from '../support/made-images.ts'
import { expectFetched, photograph } from './support/hostile.ts'

const blob = Buffer.from('a layer')
const WORDS = ['EVIL"};\n{', "EVIL'\r\nX-Header: 1", 'EVIL\0\u001b[2J', 'EVIL$(reboot)`reboot`', '</script>EVIL']

test.each(EMITTERS.map(emitter => [emitter.name, emitter] as const))(
  'nothing that a manifest says in words reaches the configuration of %s',
  async (_, emitter) => {
    const all = WORDS.map(word => {
      const layer = { mediaType: word, artifactType: word, digest: digestOf(blob), size: blob.length, urls: [word] }
      const annotations = { [word]: word, 'org.opencontainers.image.ref.name': word }
      const body = { mediaType: OCI_MANIFEST, artifactType: word, config: layer, layers: [layer], annotations }
      return makeRaw(OCI_MANIFEST, JSON.stringify(body), [blob])
    })
    const registry = await startRegistry({ evil: Object.fromEntries(all.map((graph, at) => [`t${at}`, graph])) })
    const root = await expectFetched({
      image: `${registry.host}/evil`,
      options: { as: 'app', force: true, allTags: true },
    })
    expect(await openTree(root).tags('app')).toEqual(expect.arrayContaining(['t0', 't4']))
    const before = await photograph(root)
    const contents = new Set(before.values())
    await emitHosts(openTree(root), [{ name: emitter.name }])
    // Links to the manifests themselves apart: those are their bytes.
    const emitted = [...(await photograph(root))].filter(([path, found]) => !before.has(path) && !contents.has(found))
    expect(emitted.length).toBeGreaterThan(0)
    const text = emitted.map(([path, found]) => `${path}\n${Buffer.from(found.split(' ')[2] ?? '', 'hex')}`).join('\n')
    expect(text.length).toBeGreaterThan(100)
    expect(text).not.toContain('EVIL')
  },
)
