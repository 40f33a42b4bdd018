import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from '../shared/find-program.ts'
import { findFreePort, startServer } from './server-process.ts'
import type { Place, Server } from './servers.ts'

/** The name of the bucket in every store of a benchmark. */
export const BUCKET = 'bench'

const KEYS = { access: 'bench', secret: 'not a secret' }

/** What whoever asks a store has in its environment: its keys, and nothing of this machine's own. */
export const S3_ENVIRONMENT: readonly string[] = [
  ...['env', '-u', 'AWS_PROFILE', '-u', 'AWS_SESSION_TOKEN'],
  ...[`AWS_ACCESS_KEY_ID=${KEYS.access}`, `AWS_SECRET_ACCESS_KEY=${KEYS.secret}`],
  ...['AWS_REGION=us-east-1', 'AWS_DEFAULT_REGION=us-east-1', 'AWS_EC2_METADATA_DISABLED=true'],
  ...['AWS_CONFIG_FILE=/dev/null', 'AWS_SHARED_CREDENTIALS_FILE=/dev/null', 'RCLONE_CONFIG=/dev/null'],
]

/** How a store is run, other than users do who follow its documentation. */
interface StoreOptions {
  /** Keep connections, which this server closes after each answer unless it is told. Default false. */
  readonly keepAlive?: boolean
  /** A file that it writes each request to. */
  readonly log?: string
}

/** versitygw with a folder as its store: each folder in that one is a bucket, and each file below an object. */
const VERSITYGW: Server<Place & StoreOptions> = {
  program: 'versitygw',
  command: (_, { root, port, keepAlive = false, log }) => [
    ...['env', `ROOT_ACCESS_KEY=${KEYS.access}`, `ROOT_SECRET_KEY=${KEYS.secret}`],
    ...[findProgram('versitygw') ?? 'versitygw', '--port', `127.0.0.1:${port}`, '--health', '/health', '--quiet'],
    ...(keepAlive ? ['--keep-alive'] : []),
    ...(log === undefined ? [] : ['--access-log', log]),
    ...['posix', root],
  ],
}

/** Runs a store of what is in a folder, with its bucket, for as long as it is used. */
export async function withStore<T>(
  root: string,
  use: (endpoint: string) => Promise<T>,
  options: StoreOptions = {},
): Promise<T> {
  mkdirSync(join(root, BUCKET), { recursive: true })
  const place = { root, folder: `${root}-server`, port: await findFreePort(), ...options }
  const running = await startServer(VERSITYGW, place, { path: '/health' })
  try {
    return await use(running.url)
  } finally {
    await running.stop()
  }
}

/** How many objects the bucket holds, by its files: no server need run. */
export function countObjects(root: string): number {
  const below = (folder: string): number =>
    readdirSync(folder, { withFileTypes: true }).reduce(
      (sum, entry) => sum + (entry.isDirectory() ? below(join(folder, entry.name)) : 1),
      0,
    )
  return readdirSync(join(root, BUCKET))
    .filter(name => name !== '.sgwtmp')
    .reduce((sum, name) => sum + below(join(root, BUCKET, name)), 0)
}

/** What a store was asked, and what it then did. */
export interface Asked {
  readonly requests: number
  /** Requests by which it wrote an object or deleted some; those that it declined are none. */
  readonly writes: number
}

/** What a store was asked, by its log: a line for each request, with the operation, the key, the path and the status. */
export function readAsked(log: string): Asked {
  const lines = [...readFileSync(log, 'utf8').matchAll(/ s3_(\w+) \S+ \S+ (\d{3}) /g)]
  const isWrite = ([, operation = '', status]: RegExpExecArray): boolean =>
    !/^(?:Get|Head|List)/.test(operation) && Number(status) < 300
  return { requests: lines.length, writes: lines.filter(isWrite).length }
}
