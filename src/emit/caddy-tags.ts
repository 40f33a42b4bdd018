import { TAG_PATTERN } from '../oci/name.ts'
import { LINKS } from './caddy-farm.ts'
import { block, type Printed, quoted } from './caddy-text.ts'

/**
 * `tags/list?last=TAG`: the tags that come after TAG, whether it is there or not, computed from the names in the farm: Caddy 2.6 cannot read a file in a
 * template but by executing it. What a client asks reaches the template only after it matched the grammar of tags; the name is that of a folder of the farm.
 */
export function laterTags({ headers }: Printed, root: string): readonly string[] {
  return [
    '@registrish_asked query last=*',
    block('route @registrish_asked', [
      'rewrite * /{http.request.uri.query.last}',
      `@registrish_last path_regexp registrish_last ${quoted(`^/(${TAG_PATTERN})$`)}`,
      block('route @registrish_last', [
        block('header', headers({})),
        block('templates', ['mime application/json', 'between (% %)', `root ${root}`]),
        `respond ${quoted(TEMPLATE)} 200`,
      ]),
    ]),
  ]
}

const NAME = '{http.regexp.registrish.1}'
const TAGS = `(listFiles "${LINKS}/${NAME}:" | sortAlpha)`
const LATER = 'and (gt . "{http.regexp.registrish_last.1}") (not (contains ":" .))'
const TEMPLATE = `{"name":"${NAME}","tags":[(% $comma := "" %)(% range ${TAGS} %)(% if ${LATER} %)(% $comma %)(% toJson . %)(% $comma = "," %)(% end %)(% end %)]}`
