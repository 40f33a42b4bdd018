import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { RunResult } from './run.ts'

/* The jobs of docs/ci.md, read as GitHub and GitLab read them as far as those jobs go; what is not known here is refused, not passed over. */

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** A job as the test runs it. */
export interface CiJob {
  readonly name: string
  /** Variables as the page gives them, later ones made of earlier ones. */
  readonly env: Readonly<Record<string, string>>
  readonly steps: readonly CiStep[]
  /** How the service has bash end a step at the first command that fails. */
  readonly strictness: 'set -e' | 'set -eo pipefail'
  /** Files that the next job gets. */
  readonly artifacts: readonly string[]
}

interface CiStep {
  readonly script: string
  readonly env: Readonly<Record<string, string>>
}

/** The jobs of one file. `text` is the whole of it, for what only the service does with it. */
export interface CiFile {
  readonly text: string
  readonly jobs: readonly CiJob[]
}

/** The files of docs/ci.md, in their order there. */
export async function readCiFiles(): Promise<readonly CiFile[]> {
  const page = await readFile(join(ROOT, 'docs/ci.md'), 'utf8')
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text)
  return Promise.all(
    blocks.map(async text => ({
      text,
      jobs: (text.startsWith('# .github/') ? githubJobs : gitlabJobs)(await parseYaml(text)),
    })),
  )
}

/** The parser that comes with knip; it fails on what is no YAML. */
async function parseYaml(text: string): Promise<Record<string, unknown>> {
  const program = join(ROOT, 'node_modules/yaml/bin.mjs')
  const { stdout } = await execa(process.execPath, [program, '--json', '--single', '--strict'], { input: text })
  return JSON.parse(stdout) as Record<string, unknown>
}

interface GithubStep {
  readonly uses?: string
  readonly run?: string
  readonly env?: Readonly<Record<string, string>>
  readonly with?: Readonly<Record<string, string>>
}

interface GithubFile {
  readonly env?: Readonly<Record<string, string>>
  readonly jobs: Readonly<
    Record<string, { readonly env?: Readonly<Record<string, string>>; readonly steps: readonly GithubStep[] }>
  >
}

/** Actions that the test stands in for. */
const ACTIONS =
  /^(?:actions\/(?:checkout|setup-node|(?:down|up)load-artifact)|docker\/setup-buildx-action|aws-actions\/configure-aws-credentials)@v\d+$/

function githubJobs(file: object): readonly CiJob[] {
  const { env = {}, jobs } = file as GithubFile
  return Object.entries(jobs).map(([name, job]) => {
    const unknown = job.steps.find(({ uses }) => uses !== undefined && !ACTIONS.test(uses))
    if (unknown !== undefined) throw new Error(`the action ${unknown.uses} is not known here`)
    return {
      name,
      env: evaluate({ ...env, ...job.env }),
      steps: job.steps.flatMap(step =>
        step.run === undefined ? [] : [{ script: refuseExpressions(step.run), env: evaluate(step.env ?? {}) }],
      ),
      strictness: 'set -e',
      artifacts: job.steps.flatMap(step =>
        step.uses?.startsWith('actions/upload-artifact') === true ? [step.with?.['path'] ?? ''] : [],
      ),
    }
  })
}

/** GitHub's expressions in variables; a tag that was pushed is all there is. */
function evaluate(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      refuseExpressions(value.replace(/\$\{\{ github\.ref_name \}\}/, 'v1.0')),
    ]),
  )
}

function refuseExpressions(text: string): string {
  if (text.includes('${{')) throw new Error(`not known here: ${text}`)
  return text
}

interface GitlabJob {
  readonly script: readonly string[]
  readonly variables?: Readonly<Record<string, string>>
  readonly artifacts?: { readonly paths: readonly string[] }
}

function gitlabJobs(file: Record<string, unknown>): readonly CiJob[] {
  const { default: common = {}, variables = {}, ...jobs } = file
  const { before_script: before = [] } = common as { readonly before_script?: readonly string[] }
  return Object.entries(jobs).map(([name, value]) => {
    const job = value as GitlabJob
    return {
      name,
      env: { ...(variables as Readonly<Record<string, string>>), ...job.variables },
      steps: [{ script: [...before, ...job.script].join('\n'), env: {} }],
      strictness: 'set -eo pipefail',
      artifacts: job.artifacts?.paths ?? [],
    }
  })
}

/** Where a job runs, and what the service gives it. */
export interface Runner {
  /** A folder of its own, with what the job checks out. */
  readonly folder: string
  /** Variables of the service, and those of the page that are the reader's to fill in. */
  readonly env: Readonly<Record<string, string>>
  /** Programs that stand before all others. */
  readonly bin: string
}

/** Runs a job as the services do: bash, each step ending at the first command that fails. Gives the step that failed, or the last one. */
export async function runJob(job: CiJob, { folder, env, bin }: Runner): Promise<RunResult> {
  let result: RunResult | undefined
  for (const step of job.steps) {
    const variables = Object.entries({ ...job.env, ...step.env }).filter(([name]) => !(name in env))
    // Variables may be made of others, as GitLab's are.
    const exports = variables.map(([name, value]) => `export ${name}="${value}"`)
    const script = [...exports, job.strictness, step.script].join('\n')
    const { stdout, stderr, exitCode, failed } = await execa('bash', ['--noprofile', '--norc', '-c', script], {
      ...{ cwd: folder, reject: false, timeout: 120_000, stdin: 'ignore' },
      env: { ...env, PATH: `${bin}:${process.env['PATH']}`, CI: 'true' },
    })
    result = { stdout, stderr, exitCode, failed }
    if (failed) return result
  }
  if (result === undefined) throw new Error(`${job.name} runs nothing`)
  return result
}

/** Takes a job's artifacts to the folder of another. */
export async function passArtifacts(job: CiJob, from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const path of job.artifacts) await copyFile(join(from, path), join(to, basename(path)))
}

/** Puts programs into a folder: shell scripts by name. */
export async function writePrograms(bin: string, programs: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(bin, { recursive: true })
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(bin, name), 0o755)
  }
}
