import { TAG_PATTERN } from '../oci/name.ts'
import { formatTagsList } from '../tree/documents.ts'
import { location, type Printed, quoted } from './nginx-text.ts'

/** What `tags/list?last=` needs at http level. */
export function formatPageMaps(): string {
  return `# The tag after which a list is to go on: nothing else that a client may write there gets any further.
map $arg_last $registrish_last {
    default  "";
    "~^(?<registrish_sieved>${TAG_PATTERN})\\z"  $registrish_sieved;
}

# nginx has no other word for a dollar sign.
geo $registrish_dollar {
    default  "$";
}
`
}

/** In the location of a list: asked for what comes after a tag, it is cut. A tag may be "0", which nginx takes for false. */
export const CUT_LIST = 'if ($registrish_last != "") {\n    rewrite ^ /v2/.page last;\n}'

/**
 * The rest of a list: the server-side include of a text that stands in the configuration reads the list into a variable, and cuts it by a pattern.
 * Nothing in the list is read as an include, and in the text stand only a name and a tag. A tag that is not in the list ends it.
 */
export function listAfterTag({ mediaType, headers }: Printed, root: string): string {
  const list = quoted(`${root}/v2/$registrish_name/tags/list`)
  return [
    location('= /v2/.page', [
      'internal;',
      '# By then a server of the user has asked for a password, if it does.',
      'try_files /v2/.nothing /v2/.cut;',
    ]),
    location('= /v2/.cut', [
      'internal;',
      `if (!-f ${list}) {\n    return 404;\n}`,
      `default_type ${mediaType};`,
      'ssi on;',
      'ssi_types *;',
      'ssi_silent_errors on;',
      'ssi_value_length 1024;',
      'ssi_last_modified off;',
      ...headers({}),
      `return 200 '${PAGE}';`,
    ]),
    location('= /v2/.list', [
      'internal;',
      `default_type ${mediaType};`,
      `# No more than a list's own length is taken.`,
      'subrequest_output_buffer_size 64m;',
      `alias ${list};`,
    ]),
  ].join('\n')
}

/** What a list begins and ends with. */
const [START, END] = new TextDecoder().decode(formatTagsList('$registrish_name', [])).split(/(?=\]\})/)

/** The tag stands in quotes (\x22) after "[" or ",", and before "]" or ",": so it is no key, and not the repository's name. */
const AFTER = '(?<=[[,])\\x22\\Q$registrish_last\\E\\x22(?=[],]),?(?<registrish_rest>[^]]*)'

const PAGE = [
  '<!--# include virtual="/v2/.list" set="registrish_list" -->',
  START,
  `<!--# if expr="\${registrish_dollar}registrish_list = /${AFTER}/" -->`,
  '<!--# echo var="registrish_rest" encoding="none" default="" -->',
  '<!--# endif -->',
  END,
].join('')
