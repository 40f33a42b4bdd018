import { DIGEST_PATTERN } from '../oci/digest.ts'
import type { RouteTable } from '../tree/route.ts'
import { quoted } from './nginx-text.ts'
import { prefixOf } from './options.ts'
import { referenceOf } from './route-parts.ts'
import { typeFolder } from './type-folder.ts'

/** Where the list of tags stands, from the root on; not beside registry.conf, since that folder may be read as a whole. */
export const TAG_LIST = 'nginx/snippets/tags.map'

/**
 * What the map form needs at http level beside the rest. Size directives for the map are left to the user: they must come before the first map of
 * all of http { }, else nginx does not start, and only the user knows what comes before. Without them it warns.
 */
export function formatListMaps(webRoot: string): string {
  const root = prefixOf(webRoot)
  return `
# What each tag named when nginx read this list. It is only a short cut: a tag that is not in it, or whose manifest is
# gone, is looked up on the disk. Should nginx warn that it could not build an optimal map_hash, it is slower by little;
# these lines in nginx.conf, above all that has a "map" (else nginx refuses them), end that:
#     map_hash_max_size 262144;
#     map_hash_bucket_size 128;
map $registrish_name/$registrish_tag $registrish_named {
    default  "";
    include  ${quoted(`${root}/${TAG_LIST}`)};
}

# nginx does not tell RC1 from rc1 in such a list: the tag stands there once more.
map $registrish_tag=$registrish_named $registrish_listed {
    default  "";
    "~^([^=]+)=\\1=(?<registrish_type>[^/:]+):(?<registrish_subtype>[^/:]+)/(?<registrish_digest>${DIGEST_PATTERN})\\z"
        $registrish_type:$registrish_subtype/$registrish_digest;
}
`
}

/** The list of tags, a line each. Left out is what nginx's map cannot hold or would take for another tag: it is found without. */
export async function* listTags(table: RouteTable): AsyncGenerator<string> {
  let current: string | undefined
  let folded = new Set<string>()
  let count = 0
  for await (const { kind, repository, path, mediaType, digest } of table.routes({ blobs: false })) {
    if (kind !== 'tag' || repository === undefined || digest === undefined) continue
    if (repository !== current) {
      current = repository
      folded = new Set()
    }
    const tag = referenceOf({ path })
    const key = `${repository}/${tag}`
    if (key.length > LONGEST_KEY || folded.has(tag.toLowerCase()) || mediaType.includes('$')) continue
    if (++count > MOST_KEYS) return
    folded.add(tag.toLowerCase())
    yield `${key} ${quoted(`${tag}=${typeFolder(mediaType)}/${digest}`)};\n`
  }
}

/** nginx does not start where a key of a map is longer, unless it is told so (map_hash_bucket_size is 64 nearly everywhere, less three words of its own). */
const LONGEST_KEY = 46

/** nginx does not start where one of the 2,048 buckets, which it has unless it is told otherwise, outgrows 64 KB: at about 2.5 million. */
const MOST_KEYS = 1_000_000
