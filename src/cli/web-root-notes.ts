import { existsSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * What no web server says: a folder that is not there, or that its user may not enter, looks to clients like a registry without images.
 * `given`: the web root on the command line; `used`: those of all hosts.
 */
export function webRootNotes(
  root: string,
  { given, used }: { readonly given: string | undefined; readonly used: readonly string[] },
): readonly string[] {
  const absent =
    given === undefined || existsSync(given)
      ? []
      : [`${given} is not on this machine: right where the server runs elsewhere, or in a container`]
  const here = [...new Set(used)].filter(folder => existsSync(folder) && realpathSync(folder) === realpathSync(root))
  return [...absent, ...new Set(here.flatMap(closedFolders))]
}

/** The folders on the way to `path` that only their owner and group may enter. */
function closedFolders(path: string): readonly string[] {
  const above = dirname(path) === path ? [] : closedFolders(dirname(path))
  if ((statSync(path).mode & 0o001) !== 0) return above
  return [...above, `${path} lets no other user pass, such as the web server's: chmod o+x ${path}`]
}
