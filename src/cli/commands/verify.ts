import type { VerifyReport } from '../../tree/verify-report.ts'
import { isOn, listOf, wholeNumberOf } from '../arguments.ts'
import { type Arguments, type Command, ROOT_FLAG, type RunContext } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { count, formatBytes } from '../format.ts'
import { refreshAfter } from '../refresh.ts'
import { rootOf } from '../root.ts'

/** `registrish verify`. */
export const verify: Command = {
  name: 'verify',
  summary: 'Check every byte of the registry of files',
  details: [
    'Hash every manifest and blob again, check that each image is complete, that tags name manifests and that the documents are what the files say. Exits with 2 where anything is wrong, also where --repair could mend it. An index of which only some platforms were fetched is right, unless --complete is given.',
  ],
  positionals: [
    { name: 'repository', describe: 'repositories to check; default: all', required: false, variadic: true },
  ],
  flags: [
    ROOT_FLAG,
    { name: 'complete', type: 'boolean', describe: 'object to an index that lacks a platform' },
    {
      name: 'repair',
      type: 'boolean',
      describe:
        'move bad files aside, so that the next fetch replaces them; regenerate documents; link equal blobs again',
    },
    { name: 'jobs', alias: 'j', type: 'number', value: 'N', default: 4, describe: 'files hashed at once' },
  ],
  examples: [
    { line: 'registrish verify', text: 'everything' },
    { line: 'registrish verify alpine --complete', text: 'one repository, with all platforms' },
    { line: 'registrish verify --repair', text: 'then fetch again what was damaged' },
  ],
  run: runVerify,
}

async function runVerify(args: Arguments, context: RunContext): Promise<number> {
  const [{ verifyTree }, { openTree }] = await Promise.all([
    import('../../tree/verify.ts'),
    import('../../tree/disk-tree.ts'),
  ])
  const tree = openTree(rootOf(args, { mustExist: true }))
  const repositories = listOf(args, 'repository')
  const jobs = wholeNumberOf(args, 'jobs', 1)
  const repair = isOn(args, 'repair')
  const { signal, onProgress } = context
  if ((await tree.repositories()).length === 0) context.say('nothing here yet: registrish fetch alpine latest')
  const report = await verifyTree(tree, {
    complete: isOn(args, 'complete'),
    repair,
    signal,
    onProgress,
    ...(repositories.length === 0 ? {} : { repositories }),
    ...(jobs === undefined ? {} : { jobs }),
  })
  if (context.output === 'text') printReport(report, { context, repair })
  else context.print(JSON.stringify(report, undefined, context.output === 'json' ? 2 : undefined))
  if (repair && (report.problems.length > 0 || report.relinked.files > 0))
    await refreshAfter(tree.root, undefined, context)
  return report.problems.length === 0 ? EXIT.done : EXIT.problems
}

function printReport(
  report: VerifyReport,
  { context, repair }: { readonly context: RunContext; readonly repair: boolean },
): void {
  const { print, say } = context
  for (const { path, text, repaired } of report.problems)
    print(`${path}: ${text}${repaired === undefined ? '' : ` (${repaired})`}`)
  const checked = new Map(report.steps.map(step => [step.name, step.checked]))
  if (report.problems.length === 0 && checked.get('manifests') === 0 && checked.get('blobs') === 0) return
  for (const { path, text } of report.notes) say(`note: ${path}: ${text}`)
  const sparse =
    report.absentChildren === 0 ? '' : `; ${count(report.absentChildren, 'child', 'children')} of indexes not here`
  const foreign =
    report.absentForeignLayers === 0 ? '' : `; ${count(report.absentForeignLayers, 'foreign layer')} not here`
  const relinked =
    report.relinked.files === 0
      ? ''
      : `; ${count(report.relinked.files, 'blob')} linked again, ${formatBytes(report.relinked.bytes)} saved`
  say(
    `${count(checked.get('manifests') ?? 0, 'manifest')}, ${count(checked.get('blobs') ?? 0, 'blob')}, ${formatBytes(report.bytes)} hashed: ${verdict(report, repair)}${sparse}${foreign}${relinked}`,
  )
}

/** What was found, and the way out: a document is made anew, what an image lacks has to be fetched. */
function verdict({ problems }: VerifyReport, repair: boolean): string {
  if (problems.length === 0) return 'all right'
  const repaired = problems.filter(problem => problem.repaired !== undefined).length
  const found = `${count(problems.length, 'problem')}${repaired === 0 ? '' : `, ${repaired === problems.length ? 'repaired' : `${repaired} of them repaired`}`}`
  const onlyDocuments = problems.every(({ step }) => step === 'documents')
  if (repair) return onlyDocuments && repaired === problems.length ? found : `${found}; fetch the images again`
  if (onlyDocuments) return `${found}; registrish verify --repair makes the documents anew`
  return `${found}; registrish verify --repair moves bad files aside, then fetch the images again`
}
