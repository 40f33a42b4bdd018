import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Entry, State } from './disk-nodes.ts'
import { realFs } from './recorder.ts'

/** Reads what is below a folder. */
export function readState(root: string): State {
  const state = new Map<string, Entry>()
  const files = new Map<string, number>()
  const visit = (prefix: string): void => {
    for (const name of realFs.readdirSync(join(root, prefix)).sort()) {
      const path = `${prefix}${name}`
      const stats = realFs.lstatSync(join(root, path), { bigint: true })
      if (stats.isDirectory()) {
        state.set(path, { kind: 'folder' })
        visit(`${path}/`)
      } else if (stats.isSymbolicLink()) {
        state.set(path, { kind: 'link', target: realFs.readlinkSync(join(root, path)) })
      } else {
        const file = files.get(String(stats.ino)) ?? files.size
        files.set(String(stats.ino), file)
        state.set(path, { kind: 'file', file, content: realFs.readFileSync(join(root, path)) })
      }
    }
  }
  visit('')
  return state
}

/** Makes a state below a folder that is not there yet. Locks become those of a process that is dead: this one played it. */
export function writeState(root: string, state: State): void {
  const files = new Map<number, string>()
  realFs.mkdirSync(root, { recursive: true })
  for (const [path, entry] of state) {
    const target = join(root, path.startsWith(LOCKS) ? path.replace(`.${process.pid}.`, `.${NOBODY}.`) : path)
    if (entry.kind === 'folder') realFs.mkdirSync(target)
    else if (entry.kind === 'link') realFs.symlinkSync(entry.target, target)
    else {
      const known = files.get(entry.file)
      if (known !== undefined) realFs.linkSync(known, target)
      else realFs.writeFileSync(target, entry.content)
      files.set(entry.file, target)
    }
  }
}

const LOCKS = '.registrish/locks/'
/** No system gives so large a pid. */
const NOBODY = 2_147_483_647

/** The part of a state that `wanted` says. */
export function select(state: State, wanted: (path: string) => boolean): State {
  return new Map([...state].filter(([path]) => wanted(path)))
}

/** One text for all states that are the same: names, bytes, which names are one file. */
export function keyOf(state: State): string {
  const hash = createHash('sha1')
  const files = new Map<number, number>()
  for (const [path, entry] of state) {
    if (entry.kind !== 'file') hash.update(`${path}\0${entry.kind === 'link' ? entry.target : '/'}\n`)
    else {
      const file = files.get(entry.file) ?? files.size
      files.set(entry.file, file)
      hash.update(`${path}\0${file} ${digestOf(entry.content)}\n`)
    }
  }
  return hash.digest('base64')
}

/** What differs between two states, names and bytes; at most some lines. Folders do not count. */
export function compareStates(found: State, expected: State): readonly string[] {
  const lines: string[] = []
  for (const path of new Set([...found.keys(), ...expected.keys()])) {
    const [is, should] = [found.get(path), expected.get(path)].map(describe)
    if (is !== should) lines.push(`${path} is ${is ?? 'absent'} and should be ${should ?? 'absent'}`)
  }
  return lines.slice(0, 8)
}

function describe(entry: Entry | undefined): string | undefined {
  if (entry === undefined || entry.kind === 'folder') return undefined
  return entry.kind === 'link'
    ? `a link to ${entry.target}`
    : `${entry.content.length} bytes ${digestOf(entry.content)}`
}

const digests = new WeakMap<Buffer, string>()

function digestOf(content: Buffer): string {
  const known = digests.get(content) ?? createHash('sha1').update(content).digest('base64')
  digests.set(content, known)
  return known
}
