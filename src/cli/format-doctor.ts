import { type CheckResult, CLIENTS, type ClientVerdict, type DoctorReport } from '../doctor/report.ts'
import { count, formatTable } from './format.ts'

/** Whom a client stands for. */
const ALSO: Readonly<Record<ClientVerdict['client'], string>> = {
  docker: 'docker',
  containerd: 'containerd, Kubernetes, Docker 29',
  podman: 'podman, skopeo, CRI-O',
  crane: 'crane, cosign',
  oras: 'oras',
  helm: 'helm',
}

const WORDS = { works: 'works', caveat: 'works, but', fails: 'fails' } as const

/** A report for people: the verdicts, then what is wrong, then how much is right. */
export function* formatReport({ url, image, host, checks, clients }: DoctorReport): Generator<string> {
  yield [url, ...(image === undefined ? [] : [image]), ...(host === undefined ? [] : [`served by ${host}`])].join(' · ')
  yield ''
  const wordOf = ({ verdict }: ClientVerdict): string =>
    image === undefined && verdict !== 'fails' ? 'not tried' : WORDS[verdict]
  const rows = clients.map(each => [ALSO[each.client], wordOf(each), each.because.join(', ')])
  yield* formatTable(['client', 'verdict', 'because of'], rows)
  for (const result of checks)
    if (result.outcome === 'failed' || result.outcome === 'caveat') yield* formatTrouble(result)
  yield ''
  const ofOutcome = (outcome: CheckResult['outcome']): readonly CheckResult[] =>
    checks.filter(each => each.outcome === outcome)
  const skipped = ofOutcome('skipped')
  if (checks.some(({ check, outcome }) => outcome === 'failed' && ['connection', 'tls'].includes(check))) {
    yield 'nothing else could be checked'
    return
  }
  yield `${count(ofOutcome('passed').length, 'check')} passed${skipped.length === 0 ? '' : `, ${skipped.length} not made`}`
  for (const [text, names] of reasons(skipped)) yield `  ${names.join(', ')}: ${text}`
}

function* formatTrouble({ check, outcome, text, request, seen, needed, clients, fix }: CheckResult): Generator<string> {
  yield ''
  yield `${outcome === 'failed' ? 'FAILED' : 'caveat'} ${check}: ${text}`
  if (request !== undefined) yield `  asked   ${request}`
  if (seen !== undefined) yield `  seen    ${seen}`
  if (needed !== undefined) yield `  needed  ${needed}`
  for (const [why, names] of whys(clients)) yield `  ${names.join(', ')}: ${why}`
  if (fix !== undefined) yield* formatFix(fix)
}

/** A rule of several lines is a block, further in than the sentence before it. */
function* formatFix(fix: string): Generator<string> {
  const [sentence, ...rule] = fix.split('\n')
  yield `  → ${sentence}`
  for (const line of rule) yield `      ${line}`
}

/** Clients by what it means for them. */
function whys(clients: CheckResult['clients']): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const client of CLIENTS) {
    const consequence = clients[client]
    if (consequence === undefined) continue
    const { verdict, why } = consequence
    const told = verdict === 'fails' ? `fails: ${why}` : why
    found.set(told, [...(found.get(told) ?? []), client])
  }
  return found
}

function reasons(skipped: readonly CheckResult[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const { check, text } of skipped) found.set(text, [...(found.get(text) ?? []), check])
  return found
}
