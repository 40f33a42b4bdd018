import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

/** A client that pulls tags all the while. */
export interface Puller {
  /** Resolves when it has pulled so many more images. */
  pulls(count: number): Promise<void>
  /** Ends it, and resolves with what was wrong. */
  stop(): Promise<readonly string[]>
}

/** Starts to pull images by their tags, with all they name: each answer has to hold the bytes of its digest. */
export function startPuller(url: string, repository: string, tags: readonly string[]): Puller {
  const complaints: string[] = []
  let stopped = false
  let pulled = 0
  const pullAll = async (): Promise<void> => {
    for (let turn = 0; !stopped && complaints.length === 0; turn++) {
      await pull(`${url}/v2/${repository}`, tags[turn % tags.length] ?? '', complaints)
      pulled += 1
    }
  }
  const running = Promise.all([pullAll(), pullAll()])
  running.catch((error: unknown) => complaints.push(String(error)))
  const stop = async (): Promise<readonly string[]> => {
    stopped = true
    await running.catch(() => {})
    return complaints
  }
  onTestFinished(async () => void (await stop()))
  return {
    stop,
    async pulls(count) {
      const until = pulled + count
      while (pulled < until && complaints.length === 0) await setImmediate()
    },
  }
}

async function pull(base: string, name: string, complaints: string[]): Promise<void> {
  const manifest = await get(`${base}/manifests/${name}`, complaints)
  if (manifest === undefined) return
  const { manifests = [], config, layers = [] } = JSON.parse(manifest.toString()) as Parts
  for (const { digest } of manifests) await pull(base, digest, complaints)
  for (const { digest } of [...(config === undefined ? [] : [config]), ...layers])
    await get(`${base}/blobs/${digest}`, complaints)
}

/** What an index or an image names. */
interface Parts {
  readonly manifests?: readonly Part[]
  readonly config?: Part
  readonly layers?: readonly Part[]
}

interface Part {
  readonly digest: string
}

/** The body, where the answer is right. */
async function get(url: string, complaints: string[]): Promise<Buffer | undefined> {
  const answer = await fetch(url)
  const body = Buffer.from(await answer.arrayBuffer())
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
  const said = answer.headers.get('docker-content-digest')
  const name = url.slice(url.lastIndexOf('/') + 1)
  if (answer.status === 200 && said === digest && (!name.includes(':') || name === digest)) return body
  complaints.push(`${url}: ${answer.status}, says ${said}, is ${digest}: ${body.toString().slice(0, 200)}`)
  return undefined
}
