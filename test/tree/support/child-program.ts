import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** A process of its own that runs code of this project and says lines. */
export interface Child {
  readonly process: ChildProcess
  /** Resolves with the next line it prints; rejects where it ends without one. */
  nextLine(): Promise<string>
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
  /** Writes a line to its input. */
  say(line: string): void
}

/** Modules compiled for Node, since children cannot read TypeScript. */
export interface CompiledModules {
  /** Starts a child whose program is `code`, an ECMAScript module; imports are relative to src/ and end in .js. Killed when the test ends. */
  start(code: string, args?: readonly string[]): Child
  remove(): void
}

/** Compiles modules of src/ and what they import into a temporary folder; call it once per test file. */
export function compileModules(...modules: readonly string[]): CompiledModules {
  const folder = mkdtempSync(join(tmpdir(), 'registrish-compiled-'))
  const source = fileURLToPath(new URL('../../../src', import.meta.url))
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  const options = '--ignoreConfig --noCheck --target es2023 --module nodenext --rewriteRelativeImportExtensions'.split(
    ' ',
  )
  const files = modules.map(name => join(source, name))
  execFileSync(process.execPath, [compiler, ...options, '--rootDir', source, '--outDir', folder, ...files])
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  symlinkSync(join(source, '../node_modules'), join(folder, 'node_modules'))
  return {
    start: (code, args = []) => startChild(folder, code, args),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

let programs = 0

function startChild(folder: string, code: string, args: readonly string[]): Child {
  programs += 1
  const program = join(folder, `program-${programs}.js`)
  writeFileSync(program, code)
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = once(child, 'exit').then(([code, signal]: (number | string | null)[]) => code ?? signal ?? 'unknown')
  return {
    process: child,
    ended,
    say: line => child.stdin.write(`${line}\n`),
    async nextLine() {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`the child ended (${await ended}) without a word`)
      return value
    },
  }
}
