import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileError, throwIfAborted } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'
import { createRouteTable } from '../tree/routes.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { checkTable } from './check.ts'
import type { EmitProblem, SiteFile } from './emitter.ts'
import { findEmitter } from './hosts.ts'

/** What a site would be made of. */
export interface SiteMeasure {
  /** The host's title. */
  readonly title: string
  readonly files: number
  readonly bytes: number
  /** What the host cannot do, though it can be emitted for. */
  readonly warnings: readonly EmitProblem[]
  readonly unproven?: string
}

/**
 * What a host's site would be made of, with its settings; nothing is written.
 * @throws RegistrishError `name-invalid` and `limit` where the host cannot hold the tree.
 */
export async function measureSite(tree: ReadonlyTree, name: string, call: CallOptions = {}): Promise<SiteMeasure> {
  const emitter = findEmitter(name)
  const { site, title, unproven } = emitter
  if (site === undefined) throw new TypeError(`${name} takes no site`)
  const table = createRouteTable(tree)
  const options = Object.fromEntries(emitter.options.map(option => [option.name, option.default]))
  const warnings = await checkTable({ emitter, options }, table)
  let [files, bytes] = [0, 0]
  for await (const file of site.files(table, options)) {
    throwIfAborted(call.signal)
    files += 1
    bytes += sizeOf(tree.root, file)
  }
  for await (const { chunks } of emitter.emit(table, options)) {
    files += 1
    for await (const chunk of chunks) bytes += Buffer.byteLength(chunk)
  }
  return { title, files, bytes, warnings, ...(unproven === undefined ? {} : { unproven }) }
}

function sizeOf(root: string, file: SiteFile): number {
  if ('bytes' in file) return file.bytes.length
  try {
    return statSync(join(root, file.to), { throwIfNoEntry: false })?.size ?? 0
  } catch (error) {
    throw fileError(error, 'look at', file.to)
  }
}
