import { randomUUID } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pollUntil } from './poll.ts'

/** One request that a registry answered, from its access log. */
export interface RegistryRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** With its question mark; empty where there is none. */
  readonly query: string
  readonly status: number
  /** Bytes of the body that were sent: fewer than the blob's size where the client hung up or asked for a range. */
  readonly bytes: number
  readonly userAgent: string
}

/** A registry and its access log: all that a mark needs. */
export interface RegistryLog {
  readonly url: string
  readonly logFile: string
}

/** A request of its own that marks a place in the log carries this query. */
const markPrefix = '?registrish-e2e-mark='

/**
 * Waits until all that was answered before this call stands in the log: asks the registry one more question and waits for
 * its line. Returns the log's length in bytes.
 */
export async function settleLog({ url, logFile }: RegistryLog): Promise<number> {
  const mark = `${markPrefix}${randomUUID()}`
  await ask(`${url}/v2/${mark}`)
  let log = Buffer.alloc(0)
  await pollUntil(async () => {
    log = await readFile(logFile)
    return log.includes(mark)
  })
  return log.length
}

/** The requests in a log from `offset` bytes on, without the marks; unreadable lines throw. */
export async function readRequests(logFile: string, offset: number): Promise<readonly RegistryRequest[]> {
  const file = await open(logFile)
  try {
    const { size } = await file.stat()
    const { buffer } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset)
    const lines = buffer.toString().split('\n')
    return lines.filter(line => line !== '' && !line.includes(markPrefix)).map(parseLine)
  } finally {
    await file.close()
  }
}

function parseLine(line: string): RegistryRequest {
  const fields = /^\S+ - \S+ \[[^\]]*\] "(\S+) (\S+) [^"]*" (\d+) (\d+) "[^"]*" "(.*)"$/.exec(line)
  if (fields === null) throw new Error(`not a line of an access log: ${line}`)
  const [, method = '', target = '', status, bytes, userAgent = ''] = fields
  const queryStart = target.includes('?') ? target.indexOf('?') : target.length
  const [path, query] = [target.slice(0, queryStart), target.slice(queryStart)]
  return { method, path, query, status: Number(status), bytes: Number(bytes), userAgent }
}

function ask(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { agent: false, rejectUnauthorized: false }
    const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, options, response => {
      response.resume()
      response.on('end', resolve)
    })
    request.on('error', reject)
    request.end()
  })
}
