import { describe, expect, test } from 'vitest'
import type { OutputFormat } from '../../src/cli/command.ts'
import type { DeployEngine } from '../../src/cli/deploy-engine.ts'
import { runPlan } from '../../src/cli/deploy-plan.ts'
import { runDeploy } from '../../src/cli/deploy-run.ts'
import { parseCommandLine } from '../../src/cli/parse.ts'
import type { ProofProblem, ProofReport } from '../../src/deploy/proof-report.ts'
import type { DeployPlan, DeployReport, PlannedTag } from '../../src/deploy/report.ts'
import { isRegistrishError, RegistrishError } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { makeImage } from '../support/made-images.ts'
import { createMemoryStore } from '../support/memory-store.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

/* What the commands ask of the engine, and what they print of its answers; the engine is a stub. */

const DIGEST = digestOf('x')
const SHORT = DIGEST.slice(0, 19)
const NONE = { objects: 0, bytes: 0 }

describe('plan', () => {
  test('asks with what the flags say', async () => {
    const { asked } = await run('plan --s3 my-bucket --prune --grace 2d --force --check-headers -j 3')
    expect(asked).toMatchObject({ prune: true, grace: 172_800_000, force: true, checkHeaders: true, jobs: 3 })
    expect((await run('plan --s3 s3://my-bucket')).asked).toMatchObject({ prune: false, grace: 86_400_000, jobs: 16 })
  })

  test.each([
    ['plan --s3 my-bucket', [], 0],
    ['plan --s3 my-bucket --detailed-exitcode', [], 0],
    ['plan --s3 my-bucket', [added('latest')], 0],
    ['plan --s3 my-bucket --detailed-exitcode', [added('latest')], 2],
    ['deploy --s3 my-bucket --dry-run --detailed-exitcode', [added('latest')], 2],
  ] as const)('%s of %j exits with the right code', async (line, tags, code) => {
    const result = await run(line, { tags })
    expect(result.code).toBe(code)
    expect(result.calls).toEqual(['open my-bucket', 'plan', 'close'])
  })

  test('prints tags and a sentence, warnings apart', async () => {
    const problems = [{ level: 'warn', code: 'conflict', text: 'a thing', hint: 'do it' }] as const
    const { out, err, code } = await run('plan --s3 my-bucket', { tags: [added('latest')], plan: { problems } })
    expect(out).toEqual([`+ app:latest ${SHORT}`, 's3://my-bucket: to send: 2 objects, 5 B · unchanged: 3'])
    expect(err).toEqual(['warning: a thing\n  do it'])
    expect(code).toBe(0)
  })

  test('exits with 1 where it must not be done', async () => {
    const problems = [{ level: 'refuse', code: 'limit', text: 'too much', hint: 'less' }] as const
    const result = await run('plan --s3 my-bucket --detailed-exitcode', { tags: [added('latest')], plan: { problems } })
    expect(result).toMatchObject({ code: 1, err: ['refused: too much\n  less'] })
  })

  test('is a document for programs', async () => {
    const { out } = await run('plan --s3 my-bucket', { tags: [added('latest')], output: 'json' })
    const document = JSON.parse(out.join('\n')) as Record<string, unknown>
    expect(document).toMatchObject({
      target: 's3://my-bucket',
      differences: true,
      unchanged: 3,
      tags: [{ tag: 'latest' }],
    })
    expect(document['objects']).toHaveLength(1)
  })
})

describe('command lines that make no sense', () => {
  test.each([
    ['plan', 'say where to: '],
    ['deploy', 'say where to: '],
    ['deploy --s3 my-bucket/x', 'names a folder of a bucket'],
    ['deploy --s3 my-bucket --grace 1h', '--grace is about what --prune deletes'],
    ['deploy --s3 my-bucket --force', '--force is about what --prune deletes'],
    ['deploy --s3 my-bucket --prune --grace 5', '--grace takes a time with its unit'],
    ['deploy --s3 my-bucket --detailed-exitcode', '--detailed-exitcode is about what would be done'],
    ['deploy --s3 my-bucket --url https://a.example/x', 'has a path'],
    ['deploy --s3 my-bucket --jobs 0', '--jobs takes a whole number'],
  ])('%s', async (line, message) => {
    const error: unknown = await run(line).catch((cause: unknown) => cause)
    if (!isRegistrishError(error, 'usage')) throw error
    expect(error.message).toContain(message)
    expect(error.hint ?? message).not.toBe('')
  })
})

describe('deploy', () => {
  test('prints the lines to pull changed images by, and what is gone', async () => {
    const tags: readonly PlannedTag[] = [
      added('latest'),
      added(`${DIGEST.replace(':', '-')}.sig`),
      { repository: 'old', tag: '1', change: 'deleted' },
      { repository: 'z', tag: '1', change: 'moved', digest: DIGEST },
    ]
    const { out, err, code } = await run('deploy --s3 my-bucket', { tags, publicHost: 'b.s3.example' })
    expect(out).toEqual(['- old:1', 'docker pull b.s3.example/app:latest', 'docker pull b.s3.example/z:1'])
    expect(err[0]).toBe('s3://my-bucket: to send: 2 objects, 5 B · unchanged: 3')
    expect(err[1]).toMatch(/^s3:\/\/my-bucket: sent 2 objects, 5 B in \d+\.\d s$/)
    expect(err.slice(2)).toEqual([
      'to have images fetched back as clients do: --url HOST, the host that users pull from',
    ])
    expect(code).toBe(0)
  })

  test('cuts them', async () => {
    const tags = Array.from({ length: 50 }, (_, index) => added(`t${index}`))
    const { out } = await run('deploy --s3 my-bucket', { tags, publicHost: 'b.s3.example' })
    expect(out).toHaveLength(21)
    expect(out[20]).toBe('and 30 more tags: --output json has all')
  })

  test('says what is unproven of a store, whatever is known of its host', async () => {
    const setting = { tags: [added('latest')] }
    const { err } = await run('deploy --bunny zone --url a.example', setting)
    expect(err).toContainEqual(expect.stringMatching(/^--bunny zone: unproven: nothing of bunny\.net/))
    expect((await run('deploy --s3 my-bucket', setting)).err.join()).not.toContain('unproven')
  })

  test('says how to be told them where nobody knows the host', async () => {
    const { out, err } = await run('deploy --s3 my-bucket --s3-path-style', { tags: [added('latest')] })
    expect(out).toEqual([`+ app:latest ${SHORT}`])
    expect(err[2]).toContain('path style serves uploads only')
    expect(err.at(-1)).toBe(
      'to be told what to type, and to have images fetched back as clients do: --url HOST, the host that users pull from',
    )
  })

  test('fetches back what it changed, with what the flags say, and names what a cache may hold', async () => {
    const line = 'deploy --s3 my-bucket --url HTTP://Cdn.example:80/ --authfile a.json --ca-file ca.pem --jobs 2'
    const { out, err, code, proved } = await run(line, { tags: [added('latest')], publicHost: 'b.s3.example' })
    expect(proved).toMatchObject({
      host: { host: 'cdn.example', plainHttp: true },
      tags: [added('latest')],
      objects: [{ key: 'v2/app/manifests/latest' }],
      ...{ authFile: 'a.json', caFile: 'ca.pem', jobs: 2, setup: 'registrish setup --s3 my-bucket' },
    })
    expect(out).toEqual(['docker pull cdn.example/app:latest', 'http://cdn.example/v2/app/manifests/latest'])
    expect(err.slice(2)).toEqual([
      'fetched back from http://cdn.example: 1 image, 3 manifests, 4 blobs of 5 B read',
      'what a cache before the store may still hold, to be purged there:',
    ])
    expect(code).toBe(0)
  })

  test('names nothing to purge where users pull from the store itself', async () => {
    const { out } = await run('deploy --s3 my-bucket --url b.s3.example', {
      tags: [added('latest')],
      publicHost: 'b.s3.example',
    })
    expect(out).toEqual(['docker pull b.s3.example/app:latest'])
  })

  test('fails where clients cannot pull, and gives no lines that do not work', async () => {
    const problem: ProofProblem = { url: 'https://a.example/v2/', text: '403, not 200', hint: 'do it' }
    const setting = { tags: [added('latest')], proof: { failures: [problem] } }
    const { out, err, code } = await run('deploy --s3 my-bucket --url a.example', setting)
    expect(out).toEqual([])
    expect(err.slice(2)).toEqual([
      'not as it should be: https://a.example/v2/: 403, not 200\n  do it',
      'registrish: deployed, but clients cannot pull all of it from https://a.example',
    ])
    expect(code).toBe(1)
  })

  test('fails where it could not be found out', async () => {
    const proof = new RegistrishError('unreachable', 'a.example refuses connections', { hint: 'is it running?' })
    const { err, code } = await run('deploy --s3 my-bucket --url a.example', { tags: [added('latest')], proof })
    expect(err.at(-1)).toBe(
      'registrish: deployed, but images could not be fetched back: a.example refuses connections\n  is it running?',
    )
    expect(code).toBe(1)
  })

  test('warns of a cache, and succeeds', async () => {
    const problem: ProofProblem = { url: 'https://a.example/x', text: 'still the old one', hint: 'purge it' }
    const setting = { tags: [added('latest')], proof: { warnings: [problem] } }
    const { err, code } = await run('deploy --s3 my-bucket --url a.example', setting)
    expect(err).toContain('warning: https://a.example/x: still the old one\n  purge it')
    expect(code).toBe(0)
  })

  test('fetches some tags back where nothing was left to do, since the proof before may have failed', async () => {
    const { out, err, proved } = await run('deploy --s3 my-bucket --url a.example', { tags: [] })
    expect(proved).toMatchObject({ tags: [{ repository: 'app', tag: 'latest' }], objects: [] })
    expect(out).toEqual([])
    expect(err[0]).toBe('s3://my-bucket: no differences, 3 objects unchanged')
    expect(err[1]).toContain('fetched back from')
    expect(err).toHaveLength(2)
  })

  test('fetches some tags back where all that it changed was to delete tags', async () => {
    const tags = [{ repository: 'old', tag: '1', change: 'deleted' }] as const
    const { out, proved } = await run('deploy --s3 my-bucket --url a.example', { tags })
    expect(proved).toMatchObject({ tags: [{ repository: 'app', tag: 'latest' }] })
    expect(out).toContain('- old:1')
  })

  test('says once why it was refused', async () => {
    const problems = [{ level: 'refuse', code: 'limit', text: 'too much', hint: 'less' }] as const
    const refusal = new RegistrishError('limit', 'too much', { hint: 'less' })
    const setting = { tags: [added('latest')], plan: { problems }, refusal }
    const { out, err, code, calls } = await run('deploy --s3 my-bucket --url a.example', setting)
    expect(out).toEqual([])
    expect(err).toEqual(['refused: too much\n  less', 'registrish: nothing was deployed'])
    expect(code).toBe(1)
    expect(calls).toEqual(['open my-bucket', 'deploy', 'close'])
  })

  test('passes on what else fails, and closes the store', async () => {
    const refusal = new RegistrishError('unauthorized', 'no')
    const calls: string[] = []
    await expect(run('deploy --s3 my-bucket', { tags: [added('latest')], refusal, calls })).rejects.toBe(refusal)
    expect(calls).toEqual(['open my-bucket', 'deploy', 'close'])
  })

  test.each(['json', 'ndjson'] as const)('tells programs all: %s', async output => {
    const tags = [added('latest')]
    const { out } = await run('deploy --s3 my-bucket --url a.example', { tags, output })
    const [tag, object, rest] =
      output === 'ndjson' ? out.map(line => JSON.parse(line) as Record<string, unknown>) : documentOf(out)
    expect(tag).toMatchObject({ ...tags[0], pull: 'docker pull a.example/app:latest' })
    expect(object).toMatchObject({ key: 'v2/app/manifests/latest', action: 'send' })
    expect(rest).toMatchObject({
      ...{ target: 's3://my-bucket', url: 'https://a.example', sent: { objects: 2, bytes: 5 }, unchanged: 3 },
      stale: ['https://a.example/v2/app/manifests/latest'],
      proof: { images: 1, failures: [] },
    })
  })

  test('gives paths where it does not know the host', async () => {
    const { out } = await run('deploy --s3 my-bucket', { tags: [added('latest')], output: 'json' })
    expect(documentOf(out)[2]).toMatchObject({ stale: ['/v2/app/manifests/latest'] })
  })
})

function documentOf(lines: readonly string[]): readonly unknown[] {
  const { tags, objects, ...rest } = JSON.parse(lines.join('\n')) as { tags: unknown[]; objects: unknown[] }
  return [tags[0], objects[0], rest]
}

function added(tag: string): PlannedTag {
  return { repository: 'app', tag, change: 'new', digest: DIGEST }
}

interface Setting {
  readonly tags?: readonly PlannedTag[]
  readonly plan?: Partial<DeployPlan>
  readonly refusal?: RegistrishError
  readonly proof?: Partial<ProofReport> | RegistrishError
  readonly publicHost?: string
  readonly output?: OutputFormat
  readonly calls?: string[]
}

interface Ran {
  readonly code: number
  readonly out: readonly string[]
  readonly err: readonly string[]
  readonly calls: readonly string[]
  /** What the engine was asked with. */
  readonly asked: unknown
  readonly proved: unknown
}

async function run(line: string, setting: Setting = {}): Promise<Ran> {
  const root = await makeTemporaryFolder()
  await writeTree(root, 'app', { latest: await makeImage() })
  const parsed = await parseCommandLine([...line.split(' '), '--root', root])
  if (parsed.type !== 'command') throw new Error(`no command: ${line}`)
  const { calls = [], output = 'text' } = setting
  const ran = { out: [] as string[], err: [] as string[], asked: undefined as unknown, proved: undefined as unknown }
  const told = (text: string): void => void ran.err.push(text)
  const context = {
    ...{ signal: new AbortController().signal, output, onProgress: () => {} },
    ...{ print: (text: string) => void ran.out.push(text), say: told, complain: told },
  }
  const isPlan = parsed.command.name === 'plan' || parsed.args['dry-run'] === true
  const code = await (isPlan ? runPlan : runDeploy)(parsed.args, context, stub({ ...setting, calls }, ran))
  return { ...ran, code, calls }
}

function stub(setting: Setting & { readonly calls: string[] }, ran: { asked: unknown; proved: unknown }): DeployEngine {
  const { tags = [], calls, refusal, proof = {} } = setting
  const report = reportOf(tags, setting.plan)
  return {
    openTree,
    async openStore({ flags }) {
      calls.push(`open ${flags.split(' ')[1]}`)
      const store = { ...createMemoryStore(), close: async () => void calls.push('close') }
      return setting.publicHost === undefined ? store : { ...store, publicHost: setting.publicHost }
    },
    async planDeploy(_, __, options) {
      calls.push('plan')
      ran.asked = options
      return report.plan
    },
    async deployTree(_, __, options) {
      calls.push('deploy')
      ran.asked = options
      options.onPlan?.(report.plan)
      if (refusal !== undefined) throw refusal
      return report
    },
    async proveImages(_, options) {
      ran.proved = options
      if (proof instanceof RegistrishError) throw proof
      const counts = { images: 1, manifests: 3, blobsRead: 4, bytesRead: 5, blobsSeen: 0 }
      return { origin: options.host.origin, ...counts, warnings: [], failures: [], ...proof }
    },
  }
}

function reportOf(tags: readonly PlannedTag[], given: Partial<DeployPlan> = {}): DeployReport {
  const send = tags.length === 0 ? NONE : { objects: 2, bytes: 5 }
  const objects = tags.map(
    ({ repository, tag }) =>
      ({ key: `v2/${repository}/manifests/${tag}`, action: 'send', change: 'new', size: 1 }) as const,
  )
  const amounts = { send, copy: NONE, delete: NONE, age: NONE, unchanged: 3 }
  const plan: DeployPlan = { target: 's3://my-bucket', tags, objects, problems: [], ...amounts, ...given }
  const stale = objects.map(({ key }) => `/${key}`)
  return { plan, sent: send, copied: NONE, deleted: NONE, tags, stale }
}
