import { statSync } from 'node:fs'
import { join } from 'node:path'
import { RegistrishError } from '../errors.ts'
import { openTree } from '../tree/disk-tree.ts'
import { PUBLIC } from '../tree/layout.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { errorAnswer } from './error-answer.ts'
import { chain, type Handler } from './handler.ts'
import { type ListenOptions, listen, type RunningServer } from './listen.ts'
import { parseListen } from './parse-listen.ts'
import { createRegistry, READ_ONLY } from './registry.ts'

export interface ServeOptions extends ListenOptions {
  /** `port`, `host:port` or `[address]:port`; port 0 takes a free one. Default `127.0.0.1:5000`. */
  readonly listen?: string
}

/**
 * Serves a tree as a read-only registry: the tree itself, or the folder that holds its v2/. What is added, moved or removed in the files is so in the next answer.
 * @throws RegistrishError `not-found` where there is no v2/ folder, `usage` for a bad address, `conflict` where the address is taken.
 */
export async function serve(tree: string | ReadonlyTree, options: ServeOptions = {}): Promise<RunningServer> {
  const address = parseListen(options.listen ?? DEFAULT_LISTEN)
  const opened = typeof tree === 'string' ? openTree(tree) : tree
  requirePublicFolder(opened.root)
  return listen(chain([createRegistry({ tree: opened }), nothingElse]), address, options)
}

/** Where a registry listens unless told otherwise. */
const DEFAULT_LISTEN = '127.0.0.1:5000'

/** What is not the registry's is nothing, as on a static host. */
const nothingElse: Handler = ({ method }) =>
  method === 'GET' || method === 'HEAD' ? errorAnswer(404, 'NAME_UNKNOWN') : errorAnswer(405, 'UNSUPPORTED', READ_ONLY)

function requirePublicFolder(root: string): void {
  if (statSync(join(root, PUBLIC), { throwIfNoEntry: false })?.isDirectory()) return
  throw new RegistrishError('not-found', `there is no tree to serve in ${root}: it has no v2 folder`, {
    side: 'source',
    hint: 'registrish fetch alpine latest makes one; --root names another folder',
  })
}
