import { LABELS, siteTarget } from './site-target.ts'
import type { TargetKind } from './target.ts'

/** Sites of Netlify. */
export const netlify: TargetKind = {
  flags: [
    {
      name: 'netlify',
      type: 'string',
      value: '[SITE]',
      optional: true,
      describe: 'site of Netlify, by name or id; left out: the one that netlify link chose. Its program publishes it',
    },
  ],
  parse: value => siteTarget('netlify', value, LABELS),
}
