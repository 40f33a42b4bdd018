import { createHash } from 'node:crypto'
import { type RawAnswer, rawRequest } from '../../contract/raw-request.ts'
import type { Question } from './questions.ts'

/** One thing about which the servers disagree: `status`, `body` or a header, and what each says. */
export interface Difference {
  readonly question: Question
  readonly aspect: string
  /** Server → value; undefined where the header did not come. */
  readonly values: ReadonlyMap<string, string | undefined>
}

/** Says nothing about the content, or about one moment only. */
const FLEETING = new Set(['date', 'server', 'connection', 'keep-alive'])
/** A host that makes a page while it answers does not know its length beforehand; that of several parts depends on what stands between them. */
const FRAMING = new Set(['content-length', 'transfer-encoding'])
const AT_ONCE = 8

/** Asks every server every question and returns where they disagree, in the order of the questions. */
export async function compareAnswers(
  servers: ReadonlyMap<string, string>,
  questions: readonly Question[],
): Promise<readonly Difference[]> {
  const found: (readonly Difference[])[] = questions.map(() => [])
  let next = 0
  const work = async (): Promise<void> => {
    for (let position = next++; position < questions.length; position = next++) {
      const question = questions[position]
      if (question !== undefined) found[position] = await compare(servers, question)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return found.flat()
}

async function compare(servers: ReadonlyMap<string, string>, question: Question): Promise<readonly Difference[]> {
  const described = new Map<string, ReadonlyMap<string, string>>()
  for (const [server, url] of servers) described.set(server, await ask(url, question))
  const aspects = new Set([...described.values()].flatMap(answer => [...answer.keys()]))
  const differences: Difference[] = []
  for (const aspect of [...aspects].sort()) {
    const values = new Map([...described].map(([server, answer]) => [server, answer.get(aspect)] as const))
    if (new Set(values.values()).size > 1) differences.push({ question, aspect, values })
  }
  return differences
}

async function ask(url: string, question: Question): Promise<ReadonlyMap<string, string>> {
  try {
    return describeAnswer(question, await rawRequest(url, question))
  } catch (error) {
    return new Map([['status', `none: ${error instanceof Error ? error.message : String(error)}`]])
  }
}

/** All that a client can tell two answers apart by. Ranges are offered for blobs; of anything else, by contract, they are right or ignored, whatever Accept-Ranges says. */
function describeAnswer({ kind, method }: Question, { status, headers, body }: RawAnswer): ReadonlyMap<string, string> {
  const boundary = BOUNDARY.exec(headers['content-type']?.[0] ?? '')?.[1]
  const unsaid = kind === 'page' || boundary !== undefined
  const answer = new Map([['status', String(status)]])
  for (const [name, values] of Object.entries(headers)) {
    if (FLEETING.has(name) || (unsaid && FRAMING.has(name))) continue
    if (name === 'accept-ranges' && !(kind === 'blob' && status === 200)) continue
    answer.set(name, values.join(' | ').replace(BOUNDARY, 'multipart/byteranges'))
  }
  const text = body.toString('latin1')
  const neutral = boundary === undefined ? text : describeParts(text, boundary)
  return method === 'HEAD' && text === '' ? answer : answer.set('body', describeBody(neutral))
}

const BOUNDARY = /^multipart\/byteranges; ?boundary="?([^"]+)"?$/

/** The parts of an answer to several ranges: what stands between them, and how their headers are written, is free (RFC 2046 §5.1). */
function describeParts(text: string, boundary: string): string {
  const parts = text.split(`--${boundary}`).map(part => {
    const [head = '', ...rest] = part.replace(/^\r\n/, '').split('\r\n\r\n')
    const lines = head.split('\r\n').map(line => line.replace(/^[^:]+/, name => name.toLowerCase()))
    return [...lines.sort(), rest.join('\r\n\r\n').replace(/\r\n$/, '')]
  })
  return JSON.stringify(parts.slice(1))
}

function describeBody(text: string): string {
  if (text === '') return 'empty'
  const hash = createHash('sha256').update(text, 'latin1').digest('hex')
  const start = text.length > 110 ? `${text.slice(0, 110)}…` : text
  return `${JSON.stringify(start)} (${text.length} bytes, ${hash.slice(0, 16)})`
}

/** For people: differences of one kind stand together, with how many questions show each and a few of them. */
export function formatDifferences(differences: readonly Difference[]): string {
  const groups = new Map<string, Difference[]>()
  for (const difference of differences) {
    const { aspect, values, question } = difference
    const key = [aspect, question.kind, ...[...values].map(([server, value]) => `${server} ${blur(value)}`)].join('\n')
    groups.set(key, [...(groups.get(key) ?? []), difference])
  }
  return [...groups.values()].map(formatGroup).join('\n\n')
}

function formatGroup(group: readonly Difference[]): string {
  const [first] = group
  if (first === undefined) return ''
  const asked = group.slice(0, 4).map(({ question }) => `  ${formatQuestion(question)}`)
  const more = group.length > asked.length ? [`  … and ${group.length - asked.length} more`] : []
  const values = [...first.values].map(([server, value]) => `    ${server.padEnd(18)} → ${value ?? '(not sent)'}`)
  return [`${first.aspect}, of ${group.length} answers`, ...asked, ...more, ...values].join('\n')
}

function formatQuestion({ method, path, asked }: Question): string {
  const shortened = path.length > 150 ? `${path.slice(0, 150)}…` : path
  return `${method} ${shortened} (${asked})`
}

/** Digests and numbers differ from one URL to the next where the difference is the same. */
function blur(value: string | undefined): string {
  return (value ?? '(not sent)').replace(/[0-9a-f]{16,}|\d+/g, '#').slice(0, 12)
}
