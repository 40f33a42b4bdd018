import { argument } from './apache-text.ts'
import { BODY, KIND, LAST, plain, TYPE } from './htaccess-text.ts'

/** Apache reads no line of a .htaccess that is longer than 8,191 bytes: this leaves room for what stands around the tags. */
const LONGEST_PART = 7_000

const REST = 'REGISTRISH_REST'

/** Rules that answer with what follows a tag in `tags/list`: nothing where the tag is not in it. Tags have neither a space nor a quotation mark, so patterns can cut the list. */
export function formatListRules(mediaType: string, list: Uint8Array): readonly string[] {
  const text = new TextDecoder().decode(list)
  const [start = ''] = /^[^[]*\[/.exec(text) ?? []
  const last = `%{ENV:REDIRECT_${LAST}}`
  const rest = `%{ENV:${REST}}`
  return [
    ...parts(text.slice(start.length)).flatMap(part => [
      `RewriteCond '${rest}|${last} ${plain(part)}' ${argument(FOUND)}`,
      `RewriteRule ^ - [E=${REST}:=%1%2%4]`,
    ]),
    `RewriteCond '${last} ${plain(start)}|${rest}' ${argument('^[^ ]+ ([^|]+)\\|=?(.*?),?$')}`,
    `RewriteRule ^ - [E=${KIND}:tags,E=${TYPE}:${mediaType},E=${BODY}:%1%2]},R=200,END]`,
  ]
}

/** All of a part where the tag was in one before, else what follows the tag in this one. */
const FOUND = '^(?:=(.*)\\|[^ ]+ (.*)|\\|([^ ]+) .*?\\x22\\3\\x22,(.*))$'

/** The tags, quoted, each with a comma behind it, in parts that fit into a line. */
function parts(tags: string): readonly string[] {
  const found: string[] = []
  let part = ''
  for (const [tag] of tags.matchAll(/"[^"]*"/g)) {
    if (part.length + tag.length >= LONGEST_PART) {
      found.push(part)
      part = ''
    }
    part += `${tag},`
  }
  return part === '' ? found : [...found, part]
}
