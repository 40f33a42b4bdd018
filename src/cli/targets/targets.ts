import { RegistrishError } from '../../errors.ts'
import { textOf } from '../arguments.ts'
import type { Arguments, Flag } from '../command.ts'
import { azure } from './azure.ts'
import { bunny } from './bunny.ts'
import { cloudflarePages } from './cloudflare-pages.ts'
import { directory } from './directory.ts'
import { firebase } from './firebase.ts'
import { gcs } from './gcs.ts'
import { netlify } from './netlify.ts'
import { s3 } from './s3.ts'
import type { DeployTarget, StoreTarget, TargetKind } from './target.ts'
import { vercel } from './vercel.ts'

/** Every kind of place that can be deployed to: a new one is one more line. */
const TARGETS: readonly TargetKind[] = [s3, azure, gcs, bunny, directory, netlify, cloudflarePages, firebase, vercel]

/** The flags that say where to. */
export const TARGET_FLAGS: readonly Flag[] = TARGETS.flatMap(({ flags }) => flags)

/** The place that the flags name. @throws RegistrishError `usage` where they name none or several, or it makes no sense. */
export function targetOf(args: Arguments): DeployTarget {
  const named = TARGETS.flatMap(kind => {
    const value = givenFor(args, kind.flags[0])
    return value === undefined ? [] : [{ kind, value }]
  })
  const [only, ...others] = named
  if (only === undefined) {
    throw new RegistrishError('usage', `say where to: ${TARGETS.map(kind => flagOf(kind)).join(', ')}`, {
      hint: 'for example --s3 my-registry; registrish setup --s3 my-registry says what a new bucket needs',
    })
  }
  if (others.length > 0) {
    throw new RegistrishError('usage', `one place at a time: ${named.map(({ kind }) => flagOf(kind)).join(' or ')}`, {
      hint: 'run it once for each',
    })
  }
  checkForeign(args, only.kind)
  return only.kind.parse(only.value, args)
}

/** The store that the flags name. @throws RegistrishError `usage` as {@link targetOf}. */
export function storeOf(args: Arguments): StoreTarget {
  const target = targetOf(args)
  if (target.kind === 'store') return target
  throw new TypeError(`${target.flags} names no store`)
}

/** A flag about another kind of place would be passed over in silence. */
function checkForeign(args: Arguments, chosen: TargetKind): void {
  for (const kind of TARGETS) {
    const foreign =
      kind === chosen ? undefined : kind.flags.find(({ name }) => args[name] !== undefined && args[name] !== false)
    if (foreign !== undefined)
      throw new RegistrishError('usage', `--${foreign.name} is about --${kind.flags[0].name}`, { hint: 'leave it out' })
  }
}

function givenFor(args: Arguments, { name, optional }: Flag): string | undefined {
  return optional === true && args[name] === '' ? '' : textOf(args, name)
}

function flagOf({ flags: [{ name, value }] }: TargetKind): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`
}
