import { createHash } from 'node:crypto'
import { get, type IncomingHttpHeaders } from 'node:http'

/** What was pulled and found right. */
export interface Pulled {
  readonly platforms: readonly string[]
  readonly manifests: number
  readonly blobs: number
  /** Bytes of all of them. */
  readonly bytes: number
}

/**
 * Pulls a multi-platform image as an engine does, with nothing but Node's own HTTP client, and checks what engines check:
 * media types, lengths and the digest of every index, manifest, config and layer. `address` is `http://host:port`.
 */
export async function pullAndVerify(address: string, repository: string, tag: string): Promise<Pulled> {
  const base = `${address}/v2/${repository}`
  await request(`${address}/v2/`)
  const top = await request(`${base}/manifests/${tag}`)
  const index = checkManifest(top, `the tag ${tag}`) as { readonly manifests: readonly Entry[] }
  const found = { manifests: 1, blobs: 0, bytes: top.body.length }
  for (const child of index.manifests) {
    const answer = await pull(`${base}/manifests/${child.digest}`, child)
    const manifest = checkManifest(answer, child.digest, child) as {
      readonly config: Entry
      readonly layers: readonly Entry[]
    }
    found.manifests += 1
    found.bytes += answer.body.length
    for (const blob of [manifest.config, ...manifest.layers]) {
      found.blobs += 1
      found.bytes += (await pull(`${base}/blobs/${blob.digest}`, blob)).body.length
    }
  }
  const platforms = index.manifests.map(({ platform }) => `${platform?.os}/${platform?.architecture}`)
  return { ...found, platforms }
}

/** A descriptor in a manifest. */
interface Entry {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly platform?: { readonly os: string; readonly architecture: string }
}

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Gets what a descriptor names and checks its bytes. */
async function pull(url: string, { digest, size }: Entry): Promise<Answer> {
  const answer = await request(url)
  same(answer.body.length, size, `size of ${digest}`)
  same(digestOf(answer.body), digest, `digest of ${url}`)
  return answer
}

function checkManifest({ headers, body }: Answer, what: string, entry?: Entry): unknown {
  const manifest = JSON.parse(body.toString()) as { readonly mediaType: string }
  same(headers['content-type'], entry?.mediaType ?? manifest.mediaType, `Content-Type of ${what}`)
  same(headers['docker-content-digest'], digestOf(body), `Docker-Content-Digest of ${what}`)
  return manifest
}

async function request(url: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = get(url, { agent: false, timeout: 30_000 }, answer => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const body = Buffer.concat(chunks)
        if (answer.statusCode !== 200) reject(new Error(`${url} answered ${answer.statusCode}: ${body.toString()}`))
        else resolve({ headers: answer.headers, body })
      })
    })
    call.on('timeout', () => call.destroy(new Error(`${url} is silent`)))
    call.on('error', reject)
  })
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function same(found: unknown, wanted: unknown, what: string): void {
  if (found !== wanted) throw new Error(`wrong ${what}: ${String(found)} instead of ${String(wanted)}`)
}
