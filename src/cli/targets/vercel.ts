import { type SiteNames, siteTarget } from './site-target.ts'
import type { TargetKind } from './target.ts'

/** Projects of Vercel. */
export const vercel: TargetKind = {
  flags: [
    {
      name: 'vercel',
      type: 'string',
      value: '[PROJECT]',
      optional: true,
      describe: 'project of Vercel; left out: the one that vercel link chose in vercel/. Its program publishes it',
    },
  ],
  parse: value => siteTarget('vercel', value, NAMES),
}

/** Ids are among them: `prj_…`. */
const NAMES: SiteNames = {
  pattern: /^[a-z0-9][a-z0-9._-]{0,127}$/i,
  grammar: 'letters, digits, and . _ - between them',
}
