import { LABELS, siteTarget } from './site-target.ts'
import type { TargetKind } from './target.ts'

/** Projects of Firebase Hosting. */
export const firebase: TargetKind = {
  flags: [
    {
      name: 'firebase',
      type: 'string',
      value: 'PROJECT',
      describe: 'project of Firebase Hosting, which firebase-tools publishes',
    },
  ],
  parse: value => siteTarget('firebase', value, LABELS),
}
