import { RegistrishError } from '../../errors.ts'

/*
 * A zone has files and folders, and no objects whose key ends in "/": that is a folder, and asking for its deletion deletes all it holds. The one such key that a
 * registry has, `v2/`, is kept as the index of that folder, which a pull zone answers with where it is asked for the folder.
 */

/** The index of a folder (bunny.net, "Static site hosting"). */
const INDEX = 'index.html'

/** Where the object of a key is kept. @throws RegistrishError `limit` for keys that no file can stand for. */
export function pathOf(key: string): string {
  if (isTop(key)) return `${key}${INDEX}`
  const reason = whyNoFile(key)
  if (reason === undefined) return key
  throw new RegistrishError('limit', `Bunny Storage cannot keep ${key}: ${reason}`, {
    side: 'target',
    hint: 'leave that image out, or give it another name',
  })
}

/** Why no file can stand for a key; undefined where one can. */
export function whyNoFile(key: string): string | undefined {
  if (isTop(key)) return undefined
  const [top = '', second, ...rest] = key.split('/')
  const hasOddPart = [top, second, ...rest].some(part => part === '' || part === '.' || part === '..')
  if (hasOddPart) return 'it has files and folders, no other keys'
  return second === INDEX ? `${top}/${INDEX} is the file that answers ${top}/ there` : undefined
}

function isTop(key: string): boolean {
  return /^[^/]+\/$/.test(key)
}

/** The key of what is kept at a path. */
export function keyOf(path: string): string {
  return isTopIndex(path) ? path.slice(0, -INDEX.length) : path
}

function isTopIndex(path: string): boolean {
  return /^[^/]+\/index\.html$/.test(path)
}
