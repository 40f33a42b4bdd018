import { argument, quoted } from './apache-text.ts'
import { KIND, LAST, plain, TYPE } from './htaccess-text.ts'

/** Apache reads no line of a .htaccess that is longer than 8,191 bytes: this leaves room for what stands around the tags. */
const LONGEST_PART = 7_000

/** That the tag was in a part before. */
const FOUND = 'REGISTRISH_FOUND'

/** How many variables fit into the line of an answer. */
const MOST_VARIABLES = 450

/**
 * Rules that answer with what follows a tag in `tags/list`: nothing where the tag is not in it. Tags have neither a space nor a quotation mark, so patterns can
 * cut the list. Each part has a variable of its own: one that grew would be copied as often as there are parts.
 */
export function formatListRules(mediaType: string, list: Uint8Array): readonly string[] {
  const text = new TextDecoder().decode(list)
  const [start = ''] = /^[^[]*\[/.exec(text) ?? []
  const found = parts(text.slice(start.length))
  const perVariable = Math.ceil(found.length / MOST_VARIABLES)
  const variables = found.map((_, position) => `RG_${Math.floor(position / perVariable)}`)
  const values = [...new Set(variables)].map(name => `%{reqenv:${name}}`)
  return [
    `ErrorDocument 200 ${quoted(`${plain(start)}${values.join('')}]}`)}`,
    ...found.flatMap((part, position) => [
      `RewriteCond '%{ENV:${FOUND}}|%{ENV:REDIRECT_${LAST}} ${plain(part)}' ${argument(CUT)}`,
      `RewriteRule ^ - [E=${FOUND}:=,E=${variables[position]}:%{ENV:${variables[position]}}%1%3]`,
    ]),
    `RewriteCond %{ENV:REDIRECT_${LAST}} !^\\z`,
    `RewriteRule ^ - [E=${KIND}:tags,E=${TYPE}:${mediaType},R=200,END]`,
  ]
}

/** All of a part where the tag was in one before, else what follows the tag in this one. */
const CUT = '^(?:=\\|[^ ]+ (.*)|\\|([^ ]+) .*?\\x22\\2\\x22,?(.*))$'

/** The tags, quoted, each with a comma behind it but the last, in parts that fit into a line. */
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
  return part === '' ? found : [...found, part.slice(0, -1)]
}
