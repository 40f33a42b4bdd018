import { describe, expect, test } from 'vitest'
import { loadDeployEngine } from '../../src/cli/deploy-engine.ts'
import { runDeploy } from '../../src/cli/deploy-run.ts'
import { parseCommandLine } from '../../src/cli/parse.ts'
import { freePort, startServer } from '../http/http-support.ts'
import { makeImage } from '../support/made-images.ts'
import { createMemoryStore, type MemoryObject } from '../support/memory-store.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

/* What --url proves where a deploy has something to do, but no tag to move: nothing is a stub but the store. */

type Objects = Map<string, MemoryObject>

const IMAGE = /^v2\/app\/manifests\/sha256:/

describe.each([
  ['documents', '', (objects: Objects): void => void objects.delete('v2/_catalog')],
  ['headers', ' --check-headers', spoilHeaders],
] as const)('a deploy that writes nothing but %s', (_, flags, spoil) => {
  test('fails where the host serves wrongly', async () => {
    const server = await startServer((__, response) => response.writeHead(403).end())
    const { code, err } = await deployAgain(`${server.url.origin}${flags}`, spoil)
    expect(err).toContain(`registrish: deployed, but clients cannot pull all of it from ${server.url.origin}`)
    expect(code).toBe(1)
  })

  test('fails where there is no such host', async () => {
    const { code, err } = await deployAgain(`http://127.0.0.1:${await freePort()}${flags}`, spoil)
    expect(err.at(-1)).toMatch(/^registrish: deployed, but images could not be fetched back: /)
    expect(code).toBe(1)
  })

  test('succeeds where images can be pulled, and gives no lines for tags that were not moved', async () => {
    const objects: Objects = new Map()
    const server = await startServer(({ url = '', method }, response) => {
      const found = objects.get(url.slice(1))
      response.writeHead(found === undefined ? 404 : 200, {
        'content-length': found?.size ?? 0,
        'content-type': found?.contentType ?? 'application/json',
      })
      response.end(method === 'HEAD' ? undefined : found?.bytes)
    })
    const { code, out, err } = await deployAgain(`${server.url.origin}${flags}`, spoil, objects)
    expect(err).toContainEqual(expect.stringMatching(/^fetched back from .*: 1 image, /))
    expect(out.filter(line => line.startsWith('docker pull'))).toEqual([])
    expect(code).toBe(0)
  })
})

function spoilHeaders(objects: Objects): void {
  for (const [key, object] of objects)
    if (IMAGE.test(key)) objects.set(key, { ...object, contentType: 'application/octet-stream' })
}

interface Ran {
  readonly code: number
  readonly out: readonly string[]
  readonly err: readonly string[]
}

/** Deploys a tree, spoils what is on the store and deploys again, with --url. */
async function deployAgain(url: string, spoil: (objects: Objects) => void, objects: Objects = new Map()): Promise<Ran> {
  const root = await makeTemporaryFolder()
  await writeTree(root, 'app', { latest: await makeImage() })
  await deploy(root, objects, '')
  spoil(objects)
  return deploy(root, objects, ` --url ${url}`)
}

async function deploy(root: string, objects: Objects, flags: string): Promise<Ran> {
  const parsed = await parseCommandLine([...`deploy --s3 my-bucket${flags}`.split(' '), '--root', root])
  if (parsed.type !== 'command') throw new Error('no command')
  const [out, err]: [string[], string[]] = [[], []]
  const told = (text: string): void => void err.push(text)
  const context = {
    ...{ signal: new AbortController().signal, output: 'text' as const, onProgress: () => {} },
    ...{ print: (text: string) => void out.push(text), say: told, complain: told },
  }
  const engine = { ...(await loadDeployEngine()), openStore: async () => createMemoryStore({ objects }) }
  return { code: await runDeploy(parsed.args, context, engine), out, err }
}
