import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** What an operation ended with. */
export interface Outcome {
  readonly value?: unknown
  readonly error?: { readonly code: string; readonly message: string }
  /** Notes of its progress: whom it waited for. */
  readonly notes: readonly string[]
}

/** A process of its own that does what commands do, one after the other, without the time that each takes to start. */
export interface Operator {
  readonly pid: number
  /** Does one operation of {@link OPERATIONS}; rejects where the process ends before it is done. */
  run(operation: string, options?: Readonly<Record<string, unknown>>): Promise<Outcome>
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>
}

/** What an operator can do: the library as it is built, called as the command line calls it. */
const OPERATIONS = `
import { createInterface } from 'node:readline'
const library = await import(process.argv[1])
const root = process.argv[2]
const tree = library.openTree(root)
const operations = {
  async fetch({ image, tags }, onProgress) {
    const { results, changed } = await library.fetchImages(image, tags, { root, retryTimes: 0, referrers: true, onProgress })
    for (const { error } of results) if (error !== undefined) throw error
    if (changed.length > 0) await library.refreshHosts(tree, { repositories: changed })
    return results.map(({ digest }) => digest)
  },
  async prune(_, onProgress) {
    await library.pruneTree(tree, { onProgress })
  },
  async remove({ targets }, onProgress) {
    await library.removeImages(tree, targets, { onProgress })
  },
  async emit() {
    return (await library.emitHosts(tree, [{ name: 'apache' }, { name: 'nginx' }])).map(({ changed, links }) => ({ changed, links }))
  },
  async list() {
    const found = []
    for await (const { problems } of library.listImages(tree)) found.push(...problems)
    return found
  },
  async verify(_, onProgress) {
    return (await library.verifyTree(tree, { onProgress })).problems
  },
  async repair(_, onProgress) {
    return (await library.verifyTree(tree, { repair: true, onProgress })).problems
  },
  async serve() {
    return (await library.serve(root, { listen: '127.0.0.1:0' })).url
  },
}
console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const { operation, options } = JSON.parse(line)
  const notes = []
  const onProgress = event => event.type === 'note' && notes.push(event.text)
  try {
    const value = await operations[operation](options, onProgress)
    console.log(JSON.stringify({ value, notes }))
  } catch (error) {
    console.log(JSON.stringify({ error: { code: error.code ?? error.name, message: error.stack }, notes }))
  }
}
`

/** Starts an operator at a tree; it is killed at the test's end at the latest. */
export async function startOperator(root: string): Promise<Operator> {
  const library = new URL('../../../dist/index.js', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '--eval', OPERATIONS, library, root], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  })
  const ended = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  onTestFinished(kill)
  child.stdin.on('error', () => {}) // of one that was killed; whoever waits for its answer is told
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new OperatorEnded()
    return value
  }
  await nextLine()
  return {
    pid: pidOf(child),
    kill,
    async run(operation, options = {}) {
      child.stdin.write(`${JSON.stringify({ operation, options })}\n`)
      return JSON.parse(await nextLine()) as Outcome
    },
  }
}

/** The process has ended before its operation was done. */
export class OperatorEnded extends Error {
  override readonly name = 'OperatorEnded'
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('the operator did not start')
  return pid
}
