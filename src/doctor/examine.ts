import { type Check, type Finding, skipped } from './check.ts'
import { ALL_CHECKS } from './checks.ts'
import { fixOf, type RuleValues } from './fixes.ts'
import type { Observations } from './observations.ts'
import { type ObserveOptions, observe } from './observe.ts'
import { recogniseHost } from './recognise.ts'
import {
  type CheckName,
  type CheckResult,
  CLIENTS,
  type Client,
  type ClientVerdict,
  type DoctorReport,
  type Verdict,
} from './report.ts'
import { formatImage, parseTarget } from './target.ts'

/** How a registry is examined. */
export type ExamineOptions = ObserveOptions

/**
 * Asks a registry as clients would and says which of them will be able to pull: `host[:port][/name[:tag]]`, or a URL. Nothing is written there.
 * @throws RegistrishError `usage` for what is no such name, `aborted`; never for what the host does.
 */
export async function examineRegistry(target: string, options: ExamineOptions = {}): Promise<DoctorReport> {
  return judge(await observe(parseTarget(target), options))
}

/** Judges what was seen. */
function judge(seen: Observations): DoctorReport {
  const host = recogniseHost(seen)
  const checks = ALL_CHECKS.map((check): CheckResult => result(check.name, judgeOne(check, seen), host))
  const { image } = seen
  return {
    url: seen.origin.origin,
    ...(image === undefined ? {} : { image: formatImage(image.repository, image.tag.reference) }),
    ...(host === undefined ? {} : { host }),
    checks,
    clients: CLIENTS.map(client => verdictOf(client, checks)),
  }
}

/** Checks that need no image. */
const OF_HOST: readonly CheckName[] = ['connection', 'tls', 'plain-http', 'version']

/** Without an image all that is about one is left out for that reason. */
function judgeOne(check: Check, seen: Observations): Finding {
  return seen.noImage === undefined || OF_HOST.includes(check.name) ? check.judge(seen) : skipped(seen.noImage)
}

function result(check: CheckResult['check'], finding: Finding, host: string | undefined): CheckResult {
  if (!('clients' in finding)) return { check, ...finding, clients: {} }
  return { check, ...finding, fix: finding.fix ?? fixOf(check, host, valuesOf(finding)) }
}

/** What a rule that mends it is about. */
function valuesOf({ request, needed = '' }: Extract<Finding, { clients: unknown }>): RuleValues {
  const url = request?.slice(request.indexOf(' ') + 1)
  return {
    path: url === undefined ? undefined : new URL(url).pathname,
    type: /Content-Type: (\S+?);?(?:\s|$)/.exec(needed)?.[1],
    digest: /Docker-Content-Digest: (\S+)/.exec(needed)?.[1],
  }
}

function verdictOf(client: Client, checks: readonly CheckResult[]): ClientVerdict {
  const concerned = (verdict: Verdict): readonly CheckResult[] =>
    checks.filter(({ clients }) => clients[client]?.verdict === verdict)
  const [fails, caveats] = [concerned('fails'), concerned('caveat')]
  const verdict = fails.length > 0 ? 'fails' : caveats.length > 0 ? 'caveat' : 'works'
  return { client, verdict, because: [...fails, ...caveats].map(({ check }) => check) }
}
