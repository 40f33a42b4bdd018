import { siteTarget } from './site-target.ts'
import type { TargetKind } from './target.ts'

/** Projects of Cloudflare Pages. */
export const cloudflarePages: TargetKind = {
  flags: [
    {
      name: 'cloudflare-pages',
      type: 'string',
      value: 'PROJECT',
      describe: 'project of Cloudflare Pages, which wrangler publishes',
    },
  ],
  parse: value => siteTarget('cloudflare-pages', value),
}
