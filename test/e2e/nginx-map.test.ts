import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { refreshHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { type RawAnswer, rawRequest } from '../contract/raw-request.ts'
import { OCI_INDEX, OCI_MANIFEST, type ServedManifest, TreeByHand } from '../contract/tree-by-hand.ts'
import { type RunningNginx, startHostileNginx, wholeServer } from './support/hostile-nginx.ts'
import { pollUntil } from './support/poll.ts'
import { describeWith } from './support/suites.ts'

/* What changes between two reloads of the form that lists all tags. */

describeWith(['nginx'], 'nginx with a list of tags', () => {
  let folder: string
  let tree: TreeByHand
  let first: ServedManifest
  let second: ServedManifest
  let nginx: RunningNginx
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rgl-'))
    tree = new TreeByHand(join(folder, 'root'))
    const child = tree.image('app', { tags: ['latest'], note: 'first', mediaType: OCI_MANIFEST })
    tree.index('app', { tags: ['other'], mediaType: OCI_INDEX, children: [child] })
    ;[first, second] = tree.manifests as [ServedManifest, ServedManifest]
    await rebuildDocuments(tree.root)
    nginx = await startHostileNginx(tree.root, { format: wholeServer, options: { form: 'map' } })
  })
  afterEach(async () => {
    await nginx.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const path = (reference: string): string => `v2/app/manifests/${reference}`
  const get = (reference: string): Promise<RawAnswer> => rawRequest(nginx.url, { path: `/${path(reference)}` })

  /** As fetch does it: a new file, then a rename; then the links and the list. */
  async function name(tag: string, { bytes }: ServedManifest): Promise<void> {
    writeFileSync(join(tree.root, `${path(tag)}~`), bytes)
    renameSync(join(tree.root, `${path(tag)}~`), join(tree.root, path(tag)))
    await refresh()
  }

  async function refresh(): Promise<void> {
    const [result] = await refreshHosts(openTree(tree.root))
    expect(result?.reload).toBe('nginx -s reload')
  }

  function expectWhole(answer: RawAnswer, { bytes, mediaType, digests }: ServedManifest): void {
    expect(answer.status).toBe(200)
    expect(answer.body.equals(bytes)).toBe(true)
    expect(answer.header('content-type')).toBe(mediaType)
    expect(answer.header('docker-content-digest')).toBe(digests[0])
    expect(answer.header('etag')).toBe(`"${digests[0]}"`)
    expect(answer.header('content-length')).toBe(String(bytes.length))
  }

  it('serves what a tag named when the list was read, whole, and after a reload what it names now', async () => {
    await name('latest', second)
    expectWhole(await get('latest'), first)
    await nginx.reload()
    let answer = await get('latest')
    await pollUntil(async () => {
      answer = await get('latest')
      return answer.body.equals(second.bytes)
    })
    expectWhole(answer, second)
  })

  it('serves a new tag before the reload, one that differs only by case too', async () => {
    for (const tag of ['new', 'LATEST']) {
      expect((await get(tag)).status).toBe(404)
      await name(tag, second)
      expectWhole(await get(tag), second)
      const headers = { 'If-None-Match': `"${second.digests[0]}"` }
      expect((await rawRequest(nginx.url, { path: `/${path(tag)}`, headers })).status).toBe(304)
    }
    expectWhole(await get('latest'), first)
  })

  it('does not find a tag that is only spelled like another, nor, after a reload, one that is gone', async () => {
    expect((await get('Latest')).status).toBe(404)
    rmSync(join(tree.root, path('latest')))
    await refresh()
    expectWhole(await get('latest'), first)
    await nginx.reload()
    let answer = await get('latest')
    await pollUntil(async () => {
      answer = await get('latest')
      return answer.status !== 200
    })
    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.body.toString())).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
  })

  it('goes on where what the list names was pruned', async () => {
    await name('other', first)
    for (const digest of second.digests) rmSync(join(tree.root, path(digest)))
    await refreshHosts(openTree(tree.root))
    expectWhole(await get('other'), first)
    rmSync(join(tree.root, path('other')))
    const answer = await get('other')
    expect(answer.status).toBe(404)
    expect(answer.header('content-type')).toBe('application/json')
  })

  it('tells of a reload only where the list has changed', async () => {
    expect((await refreshHosts(openTree(tree.root)))[0]).toMatchObject({ changed: [] })
    tree.blob('app', Buffer.from('no tag'))
    expect((await refreshHosts(openTree(tree.root)))[0]?.reload).toBeUndefined()
  })
})
