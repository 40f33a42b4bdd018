import { listOf, textOr } from '../arguments.ts'
import { type Arguments, type Command, ROOT_FLAG, type RunContext } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { refreshAfter } from '../refresh.ts'

/** `registrish remove`. */
export const remove: Command = {
  name: 'remove',
  summary: 'Remove a tag, a manifest or a whole repository',
  details: [
    'Remove tags (name:tag), manifests (name@digest) or repositories (name). What they pointed to stays until prune. Nothing is removed when one of the arguments is not there.',
  ],
  positionals: [{ name: 'image', describe: 'name:tag, name@digest or name', required: true, variadic: true }],
  flags: [ROOT_FLAG],
  examples: [
    { line: 'registrish remove alpine:3.19', text: 'one tag' },
    { line: 'registrish remove alpine', text: 'the repository' },
  ],
  run: runRemove,
}

async function runRemove(args: Arguments, context: RunContext): Promise<number> {
  const [{ removeImages }, { openTree }] = await Promise.all([
    import('../../tree/remove.ts'),
    import('../../tree/disk-tree.ts'),
  ])
  const tree = openTree(textOr(args, 'root', '.'))
  const removals = listOf(args, 'image').map(parseRemoval)
  const { signal, onProgress } = context
  await removeImages(tree, removals, { signal, onProgress })
  const names = removals.map(({ repository, reference }) =>
    reference === undefined ? repository : `${repository}${reference.includes(':') ? '@' : ':'}${reference}`,
  )
  if (context.output === 'text') for (const name of names) context.print(`removed ${name}`)
  else context.print(JSON.stringify({ removed: names }))
  await refreshAfter(tree.root, [...new Set(removals.map(({ repository }) => repository))], context)
  return EXIT.done
}

/** Splits `name`, `name:tag` or `name@digest`. */
function parseRemoval(text: string): { readonly repository: string; readonly reference?: string } {
  const at = text.search(/[@:]/)
  return at < 0 ? { repository: text } : { repository: text.slice(0, at), reference: text.slice(at + 1) }
}
