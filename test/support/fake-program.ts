import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a program of a test says and does. */
export interface FakeProgram {
  readonly stdout?: string
  readonly stderr?: string
  readonly code?: number
  /** Runs on until it is killed. */
  readonly endless?: boolean
}

/** One run of a program: its arguments, folder, and some of its variables. */
export interface FakeRun {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** Puts a program into a folder, which is made; it notes down each of its runs beside itself. */
export async function putProgram(folder: string, name: string, program: FakeProgram = {}): Promise<void> {
  const { stdout = '', stderr = '', code = 0, endless = false } = program
  await mkdir(folder, { recursive: true })
  const file = join(folder, name)
  const text = `#!${process.execPath}
const fs = require('node:fs')
const { SECRET, NO_COLOR } = process.env
const run = { args: process.argv.slice(2), cwd: process.cwd(), env: { SECRET, NO_COLOR } }
fs.appendFileSync(${JSON.stringify(`${file}.runs`)}, JSON.stringify(run) + '\\n')
process.stdout.write(${JSON.stringify(stdout)})
process.stderr.write(${JSON.stringify(stderr)})
${endless ? 'setInterval(() => {}, 1000)' : `process.exitCode = ${code}`}
`
  await writeFile(file, text)
  await chmod(file, 0o755)
}

/** The runs of such a program. */
export async function readRuns(folder: string, name: string): Promise<readonly FakeRun[]> {
  const text = await readFile(join(folder, `${name}.runs`), 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as FakeRun)
}
