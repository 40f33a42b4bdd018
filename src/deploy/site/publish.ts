import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { abortedError, RegistrishError } from '../../errors.ts'
import type { CallOptions } from '../../oci/source.ts'
import { acquireNamedLock, type Lock } from '../../tree/lock.ts'
import { findProgram } from './find-program.ts'
import type { Site, SiteProgram } from './program.ts'

/** What is published, and how. */
export interface PublishOptions extends CallOptions, Site {
  /** The tree's root, absolute. */
  readonly root: string
  /** The lock of those who write the site, where the caller holds it: what it has made is what is published. Default: taken and given back here. */
  readonly lock?: Lock
  /** Told of what the program says, line by line. */
  readonly onLine?: (line: string) => void
  /** Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Default: the process's. */
  readonly cwd?: string
}

/** Finds the program before anything is made for it. @throws RegistrishError `tool-missing`. */
export async function findPublisher(program: SiteProgram, options: PublishOptions): Promise<string> {
  const { root, env = process.env, cwd = process.cwd() } = options
  return findProgram(program, { path: env['PATH'], folders: [root, cwd] })
}

/**
 * Has a program publish a site that is there as files, without a shell; returns the URL that it names, if any.
 * @throws RegistrishError `tool-missing`, `tool-failed` with its last words, also where they name nothing that was published, or `aborted` once it has been stopped.
 */
export async function publishSite(program: SiteProgram, options: PublishOptions): Promise<string | undefined> {
  const { root, signal } = options
  const file = await findPublisher(program, options)
  // Under the lock of those who write the site: a fetch that ends meanwhile must not change it while it is read.
  const lock =
    options.lock === undefined
      ? await acquireNamedLock(root, 'emit', signal === undefined ? {} : { signal })
      : undefined
  try {
    await program.prepare?.(root)
    let last: Said = { args: [], stdout: '', stderr: '' }
    for (const args of program.runs(options)) last = { args, ...(await run(file, { program, args }, options)) }
    const published = program.readResult(last.stdout)
    if (published === undefined) throw silent(program, file, last)
    return published.url
  } finally {
    await lock?.release()
  }
}

interface Run {
  readonly program: SiteProgram
  readonly args: readonly string[]
}

/** What a program said, in plain text. */
interface Said {
  readonly args: readonly string[]
  readonly stdout: string
  readonly stderr: string
}

/** One run. */
async function run(file: string, { program, args }: Run, options: PublishOptions): Promise<Omit<Said, 'args'>> {
  const { root, signal, env = process.env, onLine = () => {} } = options
  if (signal?.aborted === true) throw abortedError(signal.reason)
  const { execa } = await import('execa')
  const running = execa(file, [...args], {
    cwd: join(root, program.folder),
    env: { ...env, NO_COLOR: '1', FORCE_COLOR: '0' },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    maxBuffer: MOST_OUTPUT,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  })
  const pass = async (lines: AsyncIterable<string>): Promise<void> => {
    for await (const line of lines) {
      const text = cleanLine(line)
      if (text !== '') onLine(text)
    }
  }
  const streams = [running.iterable({ from: 'stderr' }), ...(program.talks ? [running.iterable()] : [])]
  // What a run fails with is in its result.
  await Promise.allSettled(streams.map(pass))
  const result = await running
  const [stdout, stderr] = [stripVTControlCharacters(result.stdout), stripVTControlCharacters(result.stderr)]
  if (!result.failed) return { stdout, stderr }
  if (result.isCanceled) throw abortedError(signal?.reason)
  throw failure(program, args, { said: [stderr, stdout], cause: result.cause, status: result.exitCode })
}

interface Failure {
  readonly said: readonly string[]
  readonly status: number | undefined
  readonly cause: unknown
}

function failure(program: SiteProgram, args: readonly string[], { said, status, cause }: Failure): RegistrishError {
  const end = status === undefined ? 'did not end by itself' : `failed with exit code ${status}`
  return new RegistrishError('tool-failed', `${callOf(program, args)} ${end}: ${wordsOf(said)}`, {
    hint: program.login,
    side: 'target',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** The error where a program ends well and names nothing that it published: it may be another of its name, or speak differently. */
function silent(program: SiteProgram, file: string, { args, stdout, stderr }: Said): RegistrishError {
  const message = `${callOf(program, args)} said nothing of a published site: ${wordsOf([stdout, stderr])}`
  return new RegistrishError('tool-failed', message, {
    hint: `look at the site, and whether ${file} is the program meant; ${program.install}`,
    side: 'target',
  })
}

/** A run as a phrase: `wrangler pages deploy`. */
function callOf({ name }: SiteProgram, args: readonly string[]): string {
  const verb = args.filter(word => !word.startsWith('-')).slice(0, name === 'wrangler' ? 2 : 1)
  return [name, ...verb].join(' ')
}

function wordsOf(said: readonly string[]): string {
  return said.map(lastWords).find(text => text !== '') ?? 'it said nothing'
}

/** The last lines of what was said. */
function lastWords(text: string): string {
  const lines = text.split('\n').map(cleanLine)
  const words = lines
    .filter(line => line !== '')
    .slice(-WORDS)
    .join('; ')
  return words.length > MOST_WORDS ? `…${words.slice(-MOST_WORDS)}` : words
}

/** A line without colours, frames, and the signs that it begins with. */
function cleanLine(line: string): string {
  return stripVTControlCharacters(line)
    .replace(/[\u2500-\u257f]+/g, ' ')
    .replace(/^[^\p{L}\p{N}"'([{</.-]+/u, '')
    .trim()
}

/** How much of each stream is kept, in characters. */
const MOST_OUTPUT = 16_000_000
/** Lines and characters of last words. */
const WORDS = 3
const MOST_WORDS = 600
