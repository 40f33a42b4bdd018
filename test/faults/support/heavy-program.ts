/** What is copied: one index of large manifests, of large manifests of many layers each, or as many tags of large manifests. */
export type HeavyShape = 'index' | 'layers' | 'tags'

/** What {@link HEAVY_PROGRAM} prints, as JSON. */
export interface HeavyResult {
  /** What became of the requests: codes of errors, or `done`. */
  readonly codes: readonly string[]
  /** Most tags that were under way at once. */
  readonly most: number
  /** Most memory that the process took, in MB. */
  readonly memory: number
}

/**
 * A program in plain JavaScript for a process of its own: copies from a source whose manifests are as large as manifests may be. They are made when they are asked for, so that
 * the source itself holds none. The last child of an index is not there, so that nothing becomes visible. Arguments: the root of a tree, a {@link HeavyShape}, how many manifests.
 */
export const HEAVY_PROGRAM: string = `
import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { copyImages } from './copy/copy.js'
import { RegistrishError } from './errors.js'
import { openTree } from './tree/disk-tree.js'

const [root, shape, count] = [process.argv[2], process.argv[3], Number(process.argv[4])]
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const SIZE = 4 * 1024 * 1024
const padding = ' '.repeat(SIZE)
const digestOf = bytes => 'sha256:' + createHash('sha256').update(bytes).digest('hex')
const blobs = new Map()
const places = new Map()

function layerOf(number) {
  const blob = Buffer.from('blob ' + number)
  blobs.set(digestOf(blob), blob)
  return { mediaType: 'a/b', digest: digestOf(blob), size: blob.length }
}

function manifestOf(number) {
  const layer = layerOf(shape === 'tags' ? number : 0)
  const layers = Array.from({ length: shape === 'layers' ? 35_000 : 1 }, () => layer)
  const body = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, annotations: { number: String(number) }, layers })
  return Buffer.from(body + padding.slice(body.length))
}

const children = Array.from({ length: count }, (_, number) => {
  const digest = digestOf(manifestOf(number))
  places.set(digest, number)
  return { mediaType: MANIFEST, digest, size: SIZE }
})
const absent = { mediaType: MANIFEST, digest: digestOf('absent'), size: 7 }
const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [...children, absent] }))
const under = { now: 0, most: 0 }

async function bytesOf(digest) {
  if (digest === digestOf(index)) return index
  if (places.has(digest)) return manifestOf(places.get(digest))
  if (!blobs.has(digest)) throw new RegistrishError('not-found', 'it is not there', { side: 'source', hint: 'look elsewhere' })
  await setTimeout(20)
  return blobs.get(digest)
}

const source = {
  title: 'heavy',
  async resolve(_, reference) {
    under.now += 1
    under.most = Math.max(under.most, under.now)
    if (shape === 'tags') return children[Number(reference)]
    return { mediaType: INDEX, digest: digestOf(index), size: index.length }
  },
  async open(_, { digest }) {
    const bytes = await bytesOf(digest)
    const body = (async function* () {
      yield bytes
    })()
    return { offset: 0, body }
  },
}

const references = shape === 'tags' ? children.map((_, number) => String(number)) : ['latest']
const requests = references.map(reference => ({ repository: 'app', reference, target: 'app' }))
const onProgress = event => {
  if (event.type === 'tag-done') under.now -= 1
}
const { results } = await copyImages(source, openTree(root), requests, { onProgress })
const codes = [...new Set(results.map(({ error }) => error?.code ?? 'done'))]
console.log(JSON.stringify({ codes, most: under.most, memory: Math.round(process.resourceUsage().maxRSS / 1024) }))
`
