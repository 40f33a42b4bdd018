import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FIXES } from '../../src/doctor/fix-table.ts'
import { fillIn, type RuleValues } from '../../src/doctor/fixes.ts'
import { CHECKS, type CheckName } from '../../src/doctor/report.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type RawAnswer, type RawRequest, rawRequest } from '../contract/raw-request.ts'
import type { RunningServer } from '../contract/serving.ts'
import { loadRules, type PlacedRule, RULE_SERVERS, type RuleServer, startWithRules } from './support/rule-servers.ts'
import { describeWith } from './support/suites.ts'

/* Every rule that doctor prints for a server is read by that server, where it is said to belong, and mends what it is for. */

const DIGESTS = ['0', 'a', 'b'].map(letter => `sha256:${letter.repeat(64)}`)
const TAG = '/v2/app/manifests/latest'
const LIST = '/v2/app/tags/list'
const PATHS: Readonly<Partial<Record<CheckName, string>>> = {
  'digest-type': `/v2/app/manifests/${DIGESTS[0]}`,
  'child-type': `/v2/app/manifests/${DIGESTS[1]}`,
  'dotted-tag': '/v2/app/manifests/1.0.gz',
  referrers: `/v2/app/referrers/${DIGESTS[2]}`,
}
const HOSTILE = ['"', ' ', ';', '}', '{', '>', '\n', "'", '`', '$', '\\', '#'].map(mark => `${TAG}${mark}evil on;`)

/** What is asked of a server, and what of the answer the check is about. */
interface Probe extends RawRequest {
  readonly seen: (answer: RawAnswer) => unknown
  readonly right: (server: RuleServer) => unknown
}

function typeProbe(check: CheckName, type: string): Probe {
  return {
    path: PATHS[check] ?? TAG,
    seen: answer => [answer.status, answer.header('content-type'), answer.header('content-encoding')],
    right: () => [200, type, undefined],
  }
}

const PROBES: Readonly<Partial<Record<CheckName, Probe>>> = {
  version: { path: '/v2/', seen: ({ status }) => status, right: () => 200 },
  'tag-type': typeProbe('tag-type', OCI_INDEX),
  'digest-type': typeProbe('digest-type', OCI_MANIFEST),
  'child-type': typeProbe('child-type', OCI_MANIFEST),
  'dotted-tag': typeProbe('dotted-tag', OCI_MANIFEST),
  referrers: typeProbe('referrers', OCI_INDEX),
  'digest-header': {
    path: TAG,
    seen: answer => answer.header('docker-content-digest'),
    right: () => DIGESTS[0],
  },
  encoding: {
    path: LIST,
    headers: { 'accept-encoding': 'gzip' },
    seen: answer => [answer.status, answer.header('content-encoding')],
    right: () => [200, undefined],
  },
  range: { path: LIST, headers: { range: 'bytes=0-3' }, seen: ({ status }) => status, right: () => 206 },
  missing: {
    path: '/v2/app/manifests/none',
    seen: answer => [answer.status, answer.header('content-type'), codeOf(answer)],
    right: () => [404, 'application/json', 'MANIFEST_UNKNOWN'],
  },
  'tag-cache': { path: TAG, seen: answer => answer.header('cache-control'), right: () => 'public, max-age=60' },
  write: { method: 'POST', path: TAG, seen: ({ status }) => status, right: ({ refusal }) => refusal },
}

for (const server of RULE_SERVERS) {
  describeWith([server.tool], `the rules of ${server.host}`, () => {
    let [root, folder] = ['', '']

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'rgr-site-'))
      chmodSync(folder, 0o755)
      root = join(folder, 'root')
      writeSite(root)
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    it.each(rulesOf(server))('%s: is read alone', async check => {
      expect(await loadRules(server, [placed(server, check, valuesFor(check))], root)).toSatisfy(isClean)
    })

    it.each(rulesOf(server))('%s: holds nothing of a hostile path, type or digest', check => {
      const unfilled = placed(server, check, {})
      for (const text of HOSTILE)
        expect(placed(server, check, { path: text, type: text, digest: text })).toEqual(unfilled)
    })

    describe('all together', () => {
      let before: RunningServer | undefined
      let after: RunningServer | undefined

      beforeAll(async () => {
        before = await startWithRules(server, [], root)
        const all = rulesOf(server).map(([check]) => placed(server, check, valuesFor(check)))
        after = await startWithRules(server, all, root)
      })
      afterAll(async () => {
        await before?.close()
        await after?.close()
      })

      it.each(rulesOf(server))('%s: is mended', async check => {
        const probe = PROBES[check]
        if (probe === undefined) throw new Error(`nothing tries the rule for ${check}`)
        const ask = async (running: RunningServer | undefined): Promise<unknown> =>
          probe.seen(await rawRequest(running?.url ?? '', probe))
        expect(await ask(before)).not.toEqual(probe.right(server))
        expect(await ask(after)).toEqual(probe.right(server))
      })
    })
  })
}

function rulesOf({ host }: RuleServer): readonly (readonly [CheckName])[] {
  return CHECKS.filter(check => typeof FIXES[check].on?.[host] === 'object').map(check => [check] as const)
}

function placed({ host }: RuleServer, check: CheckName, values: RuleValues): PlacedRule {
  const words = FIXES[check].on?.[host]
  if (typeof words !== 'object') throw new Error(`${host} has no rule for ${check}`)
  return { text: words.text, rule: fillIn(words, values) }
}

function valuesFor(check: CheckName): RuleValues {
  const type = ['tag-type', 'referrers'].includes(check) ? OCI_INDEX : OCI_MANIFEST
  return { path: PATHS[check] ?? TAG, type, digest: DIGESTS[0] }
}

/** lighttpd warns of what it does not know and goes on. */
function isClean({
  exitCode,
  stdout,
  stderr,
}: {
  exitCode: number | undefined
  stdout: string
  stderr: string
}): boolean {
  return exitCode === 0 && !/unknown|deprecated|duplicate/i.test(stdout + stderr)
}

function codeOf({ body }: RawAnswer): unknown {
  try {
    return (JSON.parse(body.toString()) as { readonly errors?: readonly { readonly code?: unknown }[] }).errors?.[0]
      ?.code
  } catch {
    return undefined
  }
}

/** Files without endings, as a tree has them; long enough to be packed. */
function writeSite(root: string): void {
  const text = `${JSON.stringify({ schemaVersion: 2, annotations: { text: 'long '.repeat(500) } })}\n`
  const paths = Object.values(PROBES).flatMap(({ path }) => (path.endsWith('/') || path.endsWith('none') ? [] : [path]))
  for (const path of ['/v2/index.json', ...paths]) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}
