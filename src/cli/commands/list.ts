import { RegistrishError } from '../../errors.ts'
import type { ListedImage, RepositoryListing } from '../../tree/inventory.ts'
import { positionalOf } from '../arguments.ts'
import { type Arguments, type Command, ROOT_FLAG, type RunContext } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { count, formatBytes, formatTable, shortDigest } from '../format.ts'
import { rootOf } from '../root.ts'

/** `registrish list`. */
export const list: Command = {
  name: 'list',
  summary: 'List what is in the registry of files',
  details: [
    'List repositories, tags, platforms, sizes and digests. Of an index that is there in part, the platforms that are there are counted: 2 of 5. A pattern is a glob on the repository or on repository:tag; * does not cross "/", ** does. With --output json digests are whole, and the lists of referrers (tags sha256-…) are named too.',
  ],
  positionals: [{ name: 'pattern', describe: 'which repositories or tags', required: false, variadic: false }],
  flags: [ROOT_FLAG],
  examples: [
    { line: 'registrish list', text: 'everything' },
    { line: 'registrish list "alpine:3.*"', text: 'some tags of a repository' },
    { line: 'registrish list --output json', text: 'for programs' },
  ],
  run: runList,
}

async function runList(args: Arguments, context: RunContext): Promise<number> {
  const [{ listImages }, { openTree }] = await Promise.all([
    import('../../tree/inventory.ts'),
    import('../../tree/disk-tree.ts'),
  ])
  const tree = openTree(rootOf(args, { mustExist: true }))
  const pattern = positionalOf(args, 'pattern')
  const listings: RepositoryListing[] = []
  for await (const listing of listImages(tree, {
    signal: context.signal,
    ...(pattern === undefined ? {} : { pattern }),
  })) {
    if (context.output === 'ndjson') context.print(JSON.stringify(listing))
    else listings.push(listing)
  }
  if (context.output === 'ndjson') return EXIT.done
  const size = listings.reduce((sum, { newSize }) => sum + newSize, 0)
  if (context.output === 'json') context.print(JSON.stringify({ repositories: listings, size }, undefined, 2))
  else if (listings.length > 0) printTable(listings, size, context)
  else if (pattern === undefined) context.say(NOTHING)
  if (listings.length > 0 || pattern === undefined) return EXIT.done
  throw new RegistrishError('not-found', `nothing in ${tree.root} matches ${pattern}`, {
    side: 'source',
    hint: 'registrish list shows all there is',
  })
}

const NOTHING = 'nothing here yet: registrish fetch alpine latest'

function printTable(listings: readonly RepositoryListing[], size: number, context: RunContext): void {
  const rows = listings.flatMap(rowsOf)
  const problems = listings.flatMap(listing => listing.problems)
  if (rows.length > 0) {
    for (const line of formatTable(['IMAGE', 'PLATFORMS', 'SIZE', 'DIGEST'], rows)) context.print(line)
    const tags = listings.reduce((sum, listing) => sum + listing.tags.filter(({ document }) => !document).length, 0)
    context.say(
      `${count(tags, 'tag')} in ${count(listings.length, 'repository', 'repositories')}, ${formatBytes(size)} in all`,
    )
  } else if (problems.length === 0) context.say(NOTHING)
  for (const { file, text } of problems) context.complain(`not listed: ${file}: ${text}`)
}

function rowsOf({ repository, tags, untagged }: RepositoryListing): readonly (readonly string[])[] {
  const row = (name: string, image: ListedImage): readonly string[] => [
    name,
    platformsOf(image),
    formatBytes(image.size),
    shortDigest(image.digest),
  ]
  return [
    ...tags.filter(({ document }) => !document).map(tag => row(`${repository}:${tag.tag}`, tag)),
    ...untagged.map(image => row(`${repository}@${shortDigest(image.digest)}`, image)),
  ]
}

/** Platforms beyond which the rest is counted. */
const MOST_PLATFORMS = 3

function platformsOf({ kind, artifactType, platforms }: ListedImage): string {
  if (kind === 'artifact') return artifactType ?? 'artifact'
  const present = [...new Set(platforms.filter(platform => platform.present).map(({ platform }) => platform))]
  const total = new Set(platforms.map(({ platform }) => platform)).size
  const share = present.length < total ? `${present.length} of ${total}: ` : ''
  const more = present.length > MOST_PLATFORMS ? ` and ${present.length - MOST_PLATFORMS} more` : ''
  return `${share}${present.slice(0, MOST_PLATFORMS).join(', ')}${more}`
}
