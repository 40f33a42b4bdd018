import type { Observations } from './observations.ts'
import { type CheckName, type CheckResult, CLIENTS, type Client } from './report.ts'

/** What a finding means for clients; those not named are not concerned. */
export type Consequences = CheckResult['clients']

/** What a check found. */
export type Finding =
  | { readonly outcome: 'passed' | 'skipped'; readonly text: string }
  | (Pick<CheckResult, 'text' | 'request' | 'seen' | 'needed' | 'clients' | 'fix'> & {
      readonly outcome: 'caveat' | 'failed'
    })

/** One thing that is looked at: it judges what was seen, and asks nothing. */
export interface Check {
  readonly name: CheckName
  /** What must be so, as a sentence for the documentation. */
  readonly must: string
  /** Why it matters, and to whom. */
  readonly why: string
  judge(seen: Observations): Finding
}

/** Nothing is wrong. */
export function passed(text: string): Finding {
  return { outcome: 'passed', text }
}

/** It cannot be judged: the reason, as a sentence. */
export function skipped(text: string): Finding {
  return { outcome: 'skipped', text }
}

/** Characters of what was seen that are told: a host may send any number. */
const LONGEST = 200

/** Something is wrong: it failed where that keeps a client from pulling, else it is a caveat. */
export function trouble(finding: Omit<Extract<Finding, { clients: unknown }>, 'outcome'>): Finding {
  const isFatal = Object.values(finding.clients).some(({ verdict }) => verdict === 'fails')
  const { seen } = finding
  return {
    outcome: isFatal ? 'failed' : 'caveat',
    ...finding,
    ...(seen !== undefined && seen.length > LONGEST ? { seen: `${seen.slice(0, LONGEST)}…` } : {}),
  }
}

/** The same for several clients, all by default. */
export function means(verdict: 'caveat' | 'fails', why: string, clients: readonly Client[] = CLIENTS): Consequences {
  return Object.fromEntries(clients.map(client => [client, { verdict, why }]))
}

/** The first of several findings that tells of trouble, worse trouble first, with what all of them mean for clients. */
export function worst(...findings: readonly Finding[]): Finding {
  const ranked = (['failed', 'caveat', 'passed', 'skipped'] as const).flatMap(outcome =>
    findings.filter(finding => finding.outcome === outcome),
  )
  const first = ranked[0] ?? skipped('nothing to look at')
  return 'clients' in first ? { ...first, clients: joined(ranked) } : first
}

/** What all findings together mean: for each client the worst, and of that the first. */
function joined(findings: readonly Finding[]): Consequences {
  const all = findings.flatMap(finding => ('clients' in finding ? [finding.clients] : []))
  const pairs = CLIENTS.flatMap(client => {
    const told = all.flatMap(clients => clients[client] ?? [])
    const worse = told.find(({ verdict }) => verdict === 'fails') ?? told[0]
    return worse === undefined ? [] : [[client, worse] as const]
  })
  return Object.fromEntries(pairs)
}
