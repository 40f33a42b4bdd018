import type { CopyResult } from '../../copy/context.ts'
import type { FetchReport } from '../../fetch/fetch.ts'
import type { FetchOptions } from '../../fetch/options.ts'
import { isOn, listOf, positionalOf, textOf, wholeNumberOf } from '../arguments.ts'
import { type Arguments, type Command, ROOT_FLAG, type RunContext } from '../command.ts'
import { EXIT, exitCodeOf } from '../exit-code.ts'
import { count, formatBytes, formatDuration, formatError } from '../format.ts'
import { refreshAfter } from '../refresh.ts'
import { rootOf } from '../root.ts'

/** `registrish fetch`. */
export const fetch: Command = {
  name: 'fetch',
  summary: 'Fetch images into the registry of files',
  details: [
    'Fetch images, every platform of them, into the registry of files below --root. Everything is verified; what is there already is not fetched again, and an interrupted download is resumed by the next run.',
    'An image is a name as docker takes it (alpine, ghcr.io/o/app:1, host:5000/app@sha256:…), or oci:DIR[:tag], oci-archive:FILE[:tag], docker-archive:FILE[:name:tag]; with --via skopeo any transport of skopeo. Without a tag it is latest. A registry on this machine may speak plain HTTP; any other needs --plain-http.',
  ],
  positionals: [
    { name: 'image', describe: 'what to fetch', required: true, variadic: false },
    { name: 'tag', describe: 'more tags or digests of the same repository', required: false, variadic: true },
  ],
  flags: [
    ROOT_FLAG,
    {
      name: 'as',
      type: 'string',
      value: 'NAME',
      describe: 'name of the repository in the tree; by default its path without the host and without library/',
    },
    {
      name: 'platform',
      type: 'string',
      value: 'OS/ARCH[/VARIANT]',
      repeated: true,
      describe: 'platforms of an index to take; the index keeps its digest; default: all',
    },
    { name: 'all-tags', type: 'boolean', describe: 'fetch every tag of the repository' },
    {
      name: 'tags',
      type: 'string',
      value: 'GLOB',
      repeated: true,
      describe: 'fetch the tags that match, for example "3.*"',
    },
    {
      name: 'referrers',
      type: 'boolean',
      describe: 'take along what refers to the images: signatures, SBOMs, attestations',
    },
    { name: 'digest-tags', type: 'boolean', describe: 'take along cosign tags: sha256-….sig, .att, .sbom' },
    { name: 'dry-run', type: 'boolean', describe: 'say what would be fetched, write nothing' },
    { name: 'force', type: 'boolean', describe: 'let two upstreams mix in one repository' },
    { name: 'jobs', alias: 'j', type: 'number', value: 'N', default: 4, describe: 'transfers at once' },
    {
      name: 'retry-times',
      type: 'number',
      value: 'N',
      default: 3,
      describe: 'how often a failed request is tried again',
    },
    {
      name: 'authfile',
      type: 'string',
      value: 'FILE',
      describe: 'credentials file; by default those of docker and podman',
    },
    { name: 'plain-http', type: 'boolean', describe: 'speak plain HTTP to a registry that is not on this machine' },
    { name: 'ca-file', type: 'string', value: 'FILE', describe: 'more certificate authorities, PEM' },
    {
      name: 'via',
      type: 'string',
      value: 'PROGRAM',
      choices: ['skopeo'],
      describe: 'read through skopeo instead of the built-in client',
    },
    { name: 'require-digest', type: 'boolean', describe: 'fail where skopeo cannot keep the digest' },
  ],
  examples: [
    { line: 'registrish fetch alpine latest', text: 'one tag of Docker Hub' },
    {
      line: 'registrish fetch ghcr.io/o/app 1.0 1.1 --platform linux/amd64,linux/arm64',
      text: 'two tags, two platforms',
    },
    {
      line: 'registrish fetch ghcr.io/o/app --tags "1.*" --referrers --digest-tags',
      text: 'many tags with their signatures',
    },
    { line: 'registrish fetch oci:./layout:1.0 --as tools/app', text: 'from an OCI layout' },
  ],
  run: runFetch,
}

async function runFetch(args: Arguments, context: RunContext): Promise<number> {
  const { fetchImages } = await import('../../fetch/fetch.ts')
  const options = await optionsOf(args, context)
  const started = Date.now()
  const report = await fetchImages(positionalOf(args, 'image') ?? '', listOf(args, 'tag'), options)
  const duration = Date.now() - started
  const dryRun = options.dryRun === true
  for (const line of formatReport(report, { context, dryRun, duration })) context.print(line)
  for (const { error } of report.results) if (error !== undefined) context.complain(`registrish: ${formatError(error)}`)
  if (report.totals.blobsFetched > 0 || report.results.some(({ error }) => error === undefined)) {
    context.say(formatSummary(report, { dryRun, duration }))
  }
  if (!dryRun) await refreshAfter(options.root ?? '.', report.changed, context)
  return exitCode(report)
}

async function optionsOf(args: Arguments, { signal, onProgress }: RunContext): Promise<FetchOptions> {
  const { parsePlatform } = await import('../../oci/platform.ts')
  const texts = { as: textOf(args, 'as'), authfile: textOf(args, 'authfile'), caFile: textOf(args, 'ca-file') }
  const numbers = { jobs: wholeNumberOf(args, 'jobs', 1), retryTimes: wholeNumberOf(args, 'retry-times', 0) }
  const given = Object.fromEntries(Object.entries({ ...texts, ...numbers }).filter(([, value]) => value !== undefined))
  return {
    root: rootOf(args, { mustExist: false }),
    ...given,
    ...(textOf(args, 'via') === undefined ? {} : { via: 'skopeo' }),
    platforms: listOf(args, 'platform', { commas: true }).map(parsePlatform),
    tagGlobs: listOf(args, 'tags', { commas: true }),
    plainHttp: isOn(args, 'plain-http'),
    dryRun: isOn(args, 'dry-run'),
    requireDigest: isOn(args, 'require-digest'),
    referrers: isOn(args, 'referrers'),
    digestTags: isOn(args, 'digest-tags'),
    allTags: isOn(args, 'all-tags'),
    force: isOn(args, 'force'),
    signal,
    onProgress,
  }
}

interface Reporting {
  readonly context: RunContext
  readonly dryRun: boolean
  readonly duration: number
}

function formatReport(report: FetchReport, { context, dryRun, duration }: Reporting): readonly string[] {
  const done = report.results.filter(({ error }) => error === undefined)
  if (context.output === 'text') {
    return done.map(result => `${nameOf(result)}  ${result.digest ?? ''}  ${stateOf(result, dryRun)}`)
  }
  const images = report.results.map(toJson)
  const totals = { upstream: report.upstream, ...report.totals, milliseconds: duration, dryRun }
  if (context.output === 'json') return [JSON.stringify({ images, ...totals }, undefined, 2)]
  return [...images.map(image => JSON.stringify(image)), JSON.stringify(totals)]
}

function toJson({ request, digest, changed, error }: CopyResult): object {
  return {
    repository: request.target,
    reference: request.reference,
    ...(request.tag === undefined ? {} : { tag: request.tag }),
    ...(digest === undefined ? {} : { digest }),
    changed,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message, hint: error.hint } }),
  }
}

function nameOf({ request }: CopyResult): string {
  const name = request.tag ?? request.reference
  return `${request.target}${name.includes(':') ? '@' : ':'}${name}`
}

function stateOf({ changed }: CopyResult, dryRun: boolean): string {
  if (changed) return dryRun ? 'to fetch' : 'new'
  return 'unchanged'
}

function formatSummary({ totals }: FetchReport, { dryRun, duration }: Pick<Reporting, 'dryRun' | 'duration'>): string {
  const { blobsFetched, bytesFetched, blobsPresent, bytesPresent, foreignLayers, manifestsFetched } = totals
  const there =
    blobsPresent === 0 ? '' : `; ${count(blobsPresent, 'blob')} of ${formatBytes(bytesPresent)} there already`
  const foreign = foreignLayers === 0 ? '' : `; ${count(foreignLayers, 'foreign layer')} left where clients fetch them`
  const parts = `${count(manifestsFetched, 'manifest')}, ${count(blobsFetched, 'blob')}${there}${foreign}`
  if (dryRun) return `would fetch ${formatBytes(bytesFetched)}: ${parts}`
  return `fetched ${formatBytes(bytesFetched)} in ${formatDuration(duration)}: ${parts}`
}

function exitCode({ results }: FetchReport): number {
  const errors = results.flatMap(({ error }) => (error === undefined ? [] : [error]))
  if (errors.length === 0) return EXIT.done
  if (errors.length < results.length) return EXIT.partly
  const codes = new Set(errors.map(({ code }) => exitCodeOf(code)))
  const [only] = codes
  return codes.size === 1 && only !== undefined ? only : EXIT.failed
}
