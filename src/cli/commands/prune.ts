import { isOn } from '../arguments.ts'
import { type Arguments, type Command, ROOT_FLAG, type RunContext } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { count, formatBytes } from '../format.ts'
import { refreshAfter } from '../refresh.ts'
import { rootOf } from '../root.ts'

/** `registrish prune`. */
export const prune: Command = {
  name: 'prune',
  summary: 'Delete what no tag leads to',
  details: [
    'Delete manifests and blobs that can be reached neither from a tag nor from a digest that was fetched by itself, and what refers to those only. Waits for a running fetch.',
  ],
  positionals: [],
  flags: [ROOT_FLAG, { name: 'dry-run', type: 'boolean', describe: 'say what would go, delete nothing' }],
  examples: [
    { line: 'registrish prune --dry-run', text: 'what would go' },
    { line: 'registrish prune', text: 'delete it' },
  ],
  run: runPrune,
}

async function runPrune(args: Arguments, context: RunContext): Promise<number> {
  const [{ pruneTree }, { openTree }] = await Promise.all([
    import('../../tree/prune.ts'),
    import('../../tree/disk-tree.ts'),
  ])
  const tree = openTree(rootOf(args, { mustExist: true }))
  const { signal, onProgress } = context
  const report = await pruneTree(tree, { dryRun: isOn(args, 'dry-run'), signal, onProgress })
  if (context.output === 'text') {
    for (const { repository, manifests, blobs } of report.repositories) {
      context.print(`${repository}: ${count(manifests.length, 'manifest')}, ${count(blobs.length, 'blob')}`)
    }
    const nothing = report.repositories.length === 0 && report.leftovers === 0 && report.gone.length === 0
    const freed = `${formatBytes(report.freed)} ${report.dryRun ? 'would become free' : 'freed'}`
    context.say(nothing && report.freed === 0 ? 'nothing to delete' : freed)
  } else context.print(JSON.stringify(report, undefined, context.output === 'json' ? 2 : undefined))
  const changed = [...report.repositories.map(({ repository }) => repository), ...report.gone]
  if (!report.dryRun) await refreshAfter(tree.root, changed, context)
  return EXIT.done
}
