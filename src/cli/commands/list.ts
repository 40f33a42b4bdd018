import { RegistrishError } from '../../errors.ts'
import type { ListedImage, RepositoryListing } from '../../tree/inventory.ts'
import type { SnapshotProblem } from '../../tree/snapshot.ts'
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
  const listings = listImages(tree, {
    signal: context.signal,
    ...(pattern === undefined ? {} : { pattern }),
  })
  if (context.output === 'ndjson') {
    for await (const listing of listings) context.print(JSON.stringify(listing))
    return EXIT.done
  }
  const found = await (context.output === 'json' ? printJson : printTable)(listings, context)
  if (found === 0 && context.output === 'text' && pattern === undefined) context.say(NOTHING)
  if (found > 0 || pattern === undefined) return EXIT.done
  throw new RegistrishError('not-found', `nothing in ${tree.root} matches ${pattern}`, {
    side: 'source',
    hint: 'registrish list shows all there is',
  })
}

const NOTHING = 'nothing here yet: registrish fetch alpine latest'

type Listings = AsyncIterable<RepositoryListing>

/** Prints each repository when it is read: all together may be too much to be held. Returns how many there are. */
async function printJson(listings: Listings, { print }: RunContext): Promise<number> {
  let [found, size] = [0, 0]
  let last: string | undefined
  for await (const listing of listings) {
    print(last === undefined ? '{\n  "repositories": [' : `${last},`)
    last = `    ${JSON.stringify(listing, undefined, 2).replaceAll('\n', '\n    ')}`
    found += 1
    size += listing.newSize
  }
  if (last === undefined) print(JSON.stringify({ repositories: [], size }, undefined, 2))
  else print(`${last}\n  ],\n  "size": ${size}\n}`)
  return found
}

/** The same as a table, of which all rows decide how wide its columns are. */
async function printTable(listings: Listings, { print, say, complain }: RunContext): Promise<number> {
  const rows: (readonly string[])[] = []
  const problems: SnapshotProblem[] = []
  let [found, tags, size] = [0, 0, 0]
  for await (const listing of listings) {
    found += 1
    tags += listing.tags.filter(({ document }) => !document).length
    size += listing.newSize
    for (const row of rowsOf(listing)) rows.push(row)
    for (const problem of listing.problems) problems.push(problem)
  }
  if (rows.length > 0) {
    for (const line of formatTable(['IMAGE', 'PLATFORMS', 'SIZE', 'DIGEST'], rows)) print(line)
    say(`${count(tags, 'tag')} in ${count(found, 'repository', 'repositories')}, ${formatBytes(size)} in all`)
  } else if (found > 0 && problems.length === 0) say(NOTHING)
  for (const { file, text } of problems) complain(`not listed: ${file}: ${text}`)
  return found
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
