import { RegistrishError, throwIfAborted } from '../errors.ts'
import type { RouteTable } from '../tree/route.ts'
import { checkTable, type Job } from './check.ts'
import type { EmitProblem, EmittedFile } from './emitter.ts'
import { type FarmContent, refreshFarm } from './farm.ts'
import { watchTable } from './watch-table.ts'
import { refuseForeign, writeFiles } from './write-files.ts'
import { flushMarker, refuseForeignSite, writeSite } from './write-site.ts'

/** A host whose files may be written. */
export interface Prepared extends Job {
  readonly files: readonly EmittedFile[]
  readonly warnings: readonly EmitProblem[]
  /** What the files are printed from. */
  readonly table: RouteTable
  /** Whether it has been the same in all passes so far. */
  isSteady(): boolean
}

/** Everything that can be refused, before anything is written. A farm is made of what was checked, so that only a site's table is to be watched. */
export async function prepare({ root, table: whole }: FarmContent, { emitter, options }: Job): Promise<Prepared> {
  const { table, isSteady } = emitter.site === undefined ? { table: whole, isSteady: () => true } : watchTable(whole)
  const warnings = emitter.farm === undefined ? await checkTable({ emitter, options }, table) : []
  const files: EmittedFile[] = []
  for await (const file of emitter.emit(table, options)) files.push(file)
  await refuseForeign(root, emitter, files)
  refuseForeignSite(root, emitter, new Set(files.map(({ path }) => path)))
  return { emitter, options, files, warnings, table, isSteady }
}

/** What was written for a host. */
interface Written {
  /** Root-relative paths of the files that were printed. */
  readonly changed: readonly string[]
  /** How many links, and files of a site, were made, moved or removed. */
  readonly links: number
  readonly warnings: readonly EmitProblem[]
  /** Whether all of it is of one moment. */
  readonly isSteady: boolean
}

/** How patient the writing is. */
export interface WriteOptions {
  /** Whether others who change the tree are to bring the files up to date when they are done. Default false: then they must be of one moment. */
  readonly mayChange?: boolean
}

/**
 * Writes what a host needs. Rules are checked and printed from one listing of the tree and files are linked by another, and a tag may move in between: all of it again, until it is of one moment.
 * @throws RegistrishError `locked` where that does not come.
 */
export async function writeHost(
  first: Prepared,
  content: FarmContent,
  { mayChange = false }: WriteOptions = {},
): Promise<Written> {
  const changed = new Set<string>()
  let links = 0
  let prepared = first
  for (let pass = 1; ; pass += 1) {
    const written = await write(prepared, content)
    for (const path of written.changed) changed.add(path)
    links += written.links
    const warnings = [...prepared.warnings, ...written.warnings]
    const isSteady = written.isSteady && prepared.isSteady()
    if (isSteady || (mayChange && pass === FEW_PASSES)) return { links, warnings, changed: [...changed], isSteady }
    if (pass === MOST_PASSES) throw unsteady(first)
    throwIfAborted(content.signal)
    prepared = await prepare(content, first)
  }
}

const MOST_PASSES = 10
const FEW_PASSES = 2

function unsteady({ emitter }: Job): RegistrishError {
  const text = `the tree is being changed all the time: the files of ${emitter.name} are not all of one moment, and not to be published`
  return new RegistrishError('locked', text, {
    hint: `run registrish emit --host ${emitter.name} again when nobody fetches into the tree or removes from it`,
    side: 'source',
  })
}

/** Links first: a server that is told to read a new configuration finds all that it names. A site last, which nobody serves from there: what a kill leaves of it is known as ours by its marker, and is mended by the next emit. */
async function write(prepared: Prepared, content: FarmContent): Promise<Written> {
  const { emitter, options, files, table } = prepared
  const { root } = content
  const { links, warnings } = await refreshFarm(prepared, content)
  const changed = await writeFiles(root, emitter, { files, options })
  if (changed.includes(emitter.marker)) await flushMarker(root, emitter)
  const printed = new Set(files.map(({ path }) => path))
  const staged = await writeSite(prepared, { root, table, printed })
  return { links: links + staged.changed, warnings, changed, isSteady: staged.complete }
}
