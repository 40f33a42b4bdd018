import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { type RawAnswer, type RawRequest, rawRequest } from './raw-request.ts'
import { documentContract } from './serving-documents.ts'
import { errorContract } from './serving-errors.ts'
import type { ServingContext, ServingException } from './serving-expectations.ts'
import { type ServingTree, writeServingTree } from './serving-fixture.ts'
import { manifestContract } from './serving-manifests.ts'
import { rangeContract } from './serving-ranges.ts'

/** A server that is up. */
export interface RunningServer {
  /** `http://127.0.0.1:5000`, without a path. */
  readonly url: string
  close(): Promise<void>
}

/**
 * What every server of a tree must do, whatever it is (design §6): run over a tree made by hand, with hostile tags, with raw requests.
 * `start` serves the tree below `root` on loopback. The documents (`tags/list`, referrers…) are on disk by then.
 */
export function servingContract(
  name: string,
  start: (root: string) => Promise<RunningServer>,
  { exceptions = [] }: { readonly exceptions?: readonly ServingException[] } = {},
): void {
  describe(`${name} keeps the serving contract`, () => {
    let running: { readonly tree: ServingTree; readonly server: RunningServer } | undefined
    let folder: string
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'registrish-serving-'))
      const root = join(folder, 'root')
      // mkdtemp gives 0700: a web server under another user must be able to enter.
      mkdirSync(root, { mode: 0o755 })
      const tree = writeServingTree(root)
      await rebuildDocuments(root)
      running = { tree, server: await start(root) }
    })
    afterAll(async () => {
      await running?.server.close()
      rmSync(folder, { recursive: true, force: true })
    })
    const context = (): ServingContext => {
      if (running === undefined) throw new Error('the server is not up')
      const { tree, server } = running
      const send = async (request: RawRequest): Promise<RawAnswer> => {
        const answer = await rawRequest(server.url, request)
        const isCompressed = answer.header('content-type') === 'application/json' && answer.headers['content-encoding']
        return excepted('json-compressed') && isCompressed ? rawRequest(server.url, withoutEncodings(request)) : answer
      }
      const excepted = (exception: ServingException): boolean => exceptions.includes(exception)
      return { tree, url: server.url, send, get: (path, headers = {}) => send({ path, headers }), excepted }
    }
    manifestContract(context)
    rangeContract(context)
    documentContract(context)
    errorContract(context)
  })
}

function withoutEncodings({ headers = {}, ...request }: RawRequest): RawRequest {
  const { 'Accept-Encoding': _encodings, ...others } = headers
  return { ...request, headers: others }
}
