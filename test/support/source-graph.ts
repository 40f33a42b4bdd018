import { readdir, readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'

/** One import of a source file. */
interface Import {
  /** Path of the importing file, relative to the source folder, with "/". */
  readonly from: string
  /** Path of the imported file, relative to the source folder; or the package's name; undefined where the code does not say it as a literal. */
  readonly to: string | undefined
  /** `type`: erased when compiled · `static`: loaded with the file (re-exports too) · `dynamic`: loaded when it is called for. */
  readonly kind: 'type' | 'static' | 'dynamic'
  /** Whether `to` is a file of the source folder, by its spelling. */
  readonly internal: boolean
}

/** What a program is made of: its files and who imports whom. */
export interface SourceGraph {
  /** Code without comments, by path relative to the source folder. */
  readonly files: ReadonlyMap<string, string>
  readonly imports: readonly Import[]
}

/** Reads all TypeScript files below a folder. */
export async function readSourceGraph(folder: string): Promise<SourceGraph> {
  const names = await readdir(folder, { recursive: true })
  const paths = names
    .map(name => name.replaceAll('\\', '/'))
    .filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  const read = async (path: string): Promise<readonly [string, string]> => [
    path,
    await readFile(join(folder, path), 'utf8'),
  ]
  return parseSourceGraph(new Map(await Promise.all(paths.sort().map(read))))
}

/** Finds the imports of files that are given as text. */
export function parseSourceGraph(sources: ReadonlyMap<string, string>): SourceGraph {
  const files = new Map([...sources].map(([path, source]) => [path, withoutComments(source)]))
  return { files, imports: [...files].flatMap(([path, code]) => [...importsOf(path, code)]) }
}

/** The string and template literals of code without comments, as they are spelled between their quotes. */
export function literalsOf(code: string): readonly string[] {
  const literals: string[] = []
  for (const { groups } of code.matchAll(TOKENS)) {
    const literal = groups?.['single'] ?? groups?.['double'] ?? groups?.['template']
    if (literal !== undefined) literals.push(literal)
  }
  return literals
}

/** Comments, literals and regular expressions, so that neither is taken for another; what stands before a "/" tells a pattern from a division. */
const TOKENS =
  /(?<comment>\/\*[\s\S]*?\*\/|\/\/[^\n]*)|'(?<single>(?:\\.|[^'\\\n])*)'|"(?<double>(?:\\.|[^"\\\n])*)"|`(?<template>(?:\\.|[^`\\])*)`|(?<=[=(,:[!&|?{};>\n]\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g

function withoutComments(source: string): string {
  return source.replace(TOKENS, (token: string) => (/^\/[/*]/.test(token) ? ' ' : token))
}

/** `import … from 'x'`, `export … from 'x'` and `import 'x'`, which begin a line. */
const STATIC =
  /^[ \t]*(?:import[ \t]*|(?:import|export)\b(?<clause>[^'"`;=()]*?)\bfrom\s*)(?<quote>['"])(?<to>[^'"\n]+)\k<quote>/gm
/** `import('x')`; without a literal where code computes the name. */
const DYNAMIC = /(?<before>\btypeof\s+)?\bimport\s*\(\s*(?:(?<quote>['"`])(?<to>[^'"`$\n]+)\k<quote>\s*[,)])?/g

function* importsOf(from: string, code: string): Generator<Import> {
  for (const { groups } of code.matchAll(STATIC)) {
    const clause = groups?.['clause']?.trim() ?? ''
    yield { from, kind: isTypeOnly(clause) ? 'type' : 'static', ...resolve(from, groups?.['to']) }
  }
  for (const { groups } of code.matchAll(DYNAMIC)) {
    yield { from, kind: groups?.['before'] === undefined ? 'dynamic' : 'type', ...resolve(from, groups?.['to']) }
  }
}

/** Whether an import clause brings types only: `type { A }`, `{ type A, type B }`. */
function isTypeOnly(clause: string): boolean {
  if (/^type\b(?!\s*,)/.test(clause)) return true
  const named = /^\{([^}]*)\}$/.exec(clause)?.[1]
  const members = named?.split(',').filter(member => member.trim() !== '') ?? []
  return members.length > 0 && members.every(member => /^\s*type\s/.test(member))
}

function resolve(from: string, to: string | undefined): Pick<Import, 'to' | 'internal'> {
  if (to === undefined) return { to, internal: false }
  if (to.startsWith('.')) return { to: posix.join(posix.dirname(from), to), internal: true }
  return { to: to.startsWith('@') ? to.split('/').slice(0, 2).join('/') : (to.split('/')[0] ?? to), internal: false }
}
