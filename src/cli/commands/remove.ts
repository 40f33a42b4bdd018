import { isRegistrishError } from '../../errors.ts'
import { parseDigest } from '../../oci/digest.ts'
import { listOf } from '../arguments.ts'
import { type Arguments, type Command, ROOT_FLAG, type RunContext } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { refreshAfter } from '../refresh.ts'
import { rootOf } from '../root.ts'

/** `registrish remove`. */
export const remove: Command = {
  name: 'remove',
  summary: 'Remove a tag, a manifest or a whole repository',
  details: [
    'Remove tags (name:tag), manifests with the tags that name them (name@digest) or repositories (name). What they pointed to stays until prune. Nothing is removed when one of the arguments is not there.',
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
  const tree = openTree(rootOf(args, { mustExist: true }))
  const removals = listOf(args, 'image').map(parseRemoval)
  const { signal, onProgress } = context
  const { repositories } = await removeImages(tree, removals, { signal, onProgress }).catch(async (error: unknown) => {
    // Gone already: whoever removed it may have been killed before this.
    if (isRegistrishError(error, 'not-found')) await refreshAfter(tree.root, [], context)
    throw error
  })
  const given = removals.map(({ repository, reference }) =>
    reference === undefined ? repository : `${repository}${reference.includes(':') ? '@' : ':'}${reference}`,
  )
  const tags = repositories.flatMap(({ repository, whole, tags }) =>
    whole ? [] : tags.map(tag => `${repository}:${tag}`),
  )
  const names = [...new Set([...given, ...tags])]
  if (context.output === 'text') for (const name of names) context.print(`removed ${name}`)
  else context.print(JSON.stringify({ removed: names }))
  await refreshAfter(tree.root, [...new Set(removals.map(({ repository }) => repository))], context)
  return EXIT.done
}

/** Splits `name`, `name:tag` or `name@digest`. @throws RegistrishError `name-invalid` where a digest is none. */
function parseRemoval(text: string): { readonly repository: string; readonly reference?: string } {
  const at = text.search(/[@:]/)
  if (at < 0) return { repository: text }
  const reference = text.slice(at + 1)
  return { repository: text.slice(0, at), reference: text[at] === '@' ? parseDigest(reference) : reference }
}
