import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'

/** One request as it goes over the wire: the path is sent as it stands here. */
export interface RawRequest {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** One answer as it came: header names in lower case, every line of a repeated header kept, the body not decoded. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly body: Buffer
  /** The single value of a header, or undefined; fails where the header came twice. */
  header(name: string): string | undefined
}

/** Sends one request over a connection of its own: no redirects, no decoding, no normalising of the path. */
export function rawRequest(url: string, { method = 'GET', path, headers = {}, body }: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ hostname, port, method, path, headers, agent: false }, answer => {
      collect(answer).then(resolve, reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Sends bytes as they are and returns all that comes back until the server closes. */
export function rawBytes(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname, () => socket.write(text))
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

async function collect(answer: IncomingMessage): Promise<RawAnswer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of answer) chunks.push(chunk)
  const headers: Record<string, string[]> = {}
  for (let index = 0; index < answer.rawHeaders.length; index += 2) {
    const name = (answer.rawHeaders[index] ?? '').toLowerCase()
    headers[name] = [...(headers[name] ?? []), answer.rawHeaders[index + 1] ?? '']
  }
  return {
    status: answer.statusCode ?? 0,
    headers,
    body: Buffer.concat(chunks),
    header(name: string): string | undefined {
      const values = headers[name.toLowerCase()] ?? []
      if (values.length > 1) throw new Error(`${name} came ${values.length} times: ${values.join(' | ')}`)
      return values[0]
    },
  }
}
