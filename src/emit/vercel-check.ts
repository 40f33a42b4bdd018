import type { RouteTable } from '../tree/route.ts'
import { checkRoutes } from './check-routes.ts'
import { formatNumber, megabytes, warn } from './check-text.ts'
import type { EmitProblem } from './emitter.ts'
import { seenTable } from './seen-table.ts'
import { sitePath } from './vercel-paths.ts'
import { tagRoom } from './vercel-routes.ts'
import { collectTags } from './vercel-tags.ts'

/** Bytes that are uploaded for a deployment (Vercel, "Limits"), on the plan without costs and on the next. */
const HOBBY = 100_000_000
const PRO = 1_000_000_000
/** Files that its tool uploads one by one (same page). */
const MANY_FILES = 15_000

/** Nothing of what Vercel limits is the same on all plans: all of it warns. */
export async function* checkVercel(table: RouteTable): AsyncGenerator<EmitProblem> {
  const sizes = new Map<string, number>()
  yield* checkRoutes(seenTable(table, route => void sizes.set(sitePath(route), route.size)))
  yield* warnOfSize(sizes)
  const tags = (await collectTags(table)).length
  const room = tagRoom(table.families)
  if (tags > room)
    yield warn(
      `${formatNumber(tags)} images with tags need as many routes, and there is room for ${formatNumber(room)} of the 2,048 of a deployment: no tag says its digest, and clients ask once more`,
      'remove tags, spread the repositories over several projects, or choose another host',
    )
}

function* warnOfSize(sizes: ReadonlyMap<string, number>): Generator<EmitProblem> {
  let bytes = 0
  for (const size of sizes.values()) bytes += size
  if (bytes > HOBBY)
    yield warn(
      `the site has ${megabytes(bytes)}, and a deployment takes ${bytes > PRO ? '1 GB on the Pro plan' : '100 MB on the Hobby plan (1 GB on Pro)'}; hosting of large files is against its terms of fair use`,
      'choose a host that is made for large files',
    )
  if (sizes.size > MANY_FILES)
    yield warn(
      `the site has ${formatNumber(sizes.size)} files, and Vercel’s tool uploads ${formatNumber(MANY_FILES)} one by one`,
      'deploy with --archive=tgz, as registrish deploy does; or spread the repositories over several projects',
    )
}
