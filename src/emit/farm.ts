import type { Route, RouteTable } from '../tree/route.ts'
import { byRepository } from './by-repository.ts'
import { checkTable, type Job } from './check.ts'
import type { EmitProblem } from './emitter.ts'
import { removeStrayLinks, writeLinks } from './write-links.ts'

/** What a farm is made from: the tree's routes, all or those of some repositories. */
export interface FarmContent {
  readonly root: string
  readonly table: RouteTable
  readonly repositories: readonly string[] | undefined
  readonly signal: AbortSignal | undefined
}

/**
 * Brings a host's links up to date, one repository after the other, so that neither memory nor time depends on more than what there is. The routes of a
 * repository are checked before its first link is made. Without `repositories`, links of repositories that are gone are removed.
 */
export async function refreshFarm(
  job: Job,
  { root, table, repositories, signal }: FarmContent,
): Promise<{ readonly links: number; readonly warnings: readonly EmitProblem[] }> {
  const { farm } = job.emitter
  if (farm === undefined) return { links: 0, warnings: [] }
  const place = { root, farm }
  const warnings: EmitProblem[] = []
  const done = new Set<string>()
  let links = 0
  const limits = {
    ...(repositories === undefined ? {} : { repositories }),
    ...(signal === undefined ? {} : { signal }),
  }
  if (farm.files !== undefined) {
    links += await writeLinks(place, '', farm.files(table.families))
    done.add('')
  }
  for await (const [repository, routes] of byRepository(table.routes({ ...limits, blobs: false }))) {
    warnings.push(...(await checkTable(job, tableOf(table, routes))))
    const wanted = routes.flatMap(route => [...farm.links(route)])
    links += await writeLinks(place, repository, wanted)
    done.add(repository)
  }
  const gone = (repositories ?? []).filter(repository => !done.has(repository))
  for (const repository of gone) links += await writeLinks(place, repository, [])
  if (repositories === undefined) links += removeStrayLinks(place, new Set([...done].map(farm.folderOf)))
  return { links, warnings }
}

function tableOf({ families }: RouteTable, routes: readonly Route[]): RouteTable {
  return {
    families,
    async *routes(): AsyncGenerator<Route> {
      yield* routes
    },
  }
}
