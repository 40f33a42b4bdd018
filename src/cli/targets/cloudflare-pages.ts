import { RegistrishError } from '../../errors.ts'
import { quote } from '../../oci/digest.ts'
import { textOf } from '../arguments.ts'
import { LABELS, siteTarget } from './site-target.ts'
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
    {
      name: 'cloudflare-pages-branch',
      type: 'string',
      value: 'BRANCH',
      describe: 'branch that the project takes for production; default: main',
    },
  ],
  parse(value, args) {
    const target = siteTarget('cloudflare-pages', value, LABELS)
    const branch = textOf(args, 'cloudflare-pages-branch')
    if (branch === undefined) return target
    if (BRANCH.test(branch)) return { ...target, flags: `${target.flags} --cloudflare-pages-branch ${branch}`, branch }
    throw new RegistrishError('usage', `${quote(branch)} is no name of a branch`, { hint: 'give it as git does: main' })
  },
}

/** What wrangler could take for a flag is none. */
const BRANCH = /^[^\s\p{C}-][^\s\p{C}]*$/u
