import type { RouteTable } from '../tree/route.ts'
import { familyOf } from './route-parts.ts'
import { sitePath, vercelPages } from './vercel-paths.ts'
import { formatRoutes, tagRoom } from './vercel-routes.ts'
import { collectTags } from './vercel-tags.ts'

/** The text of config.json, a route and a file a line. The types of files do not count as routes: each file but blobs, which all have the same, is told its own. */
export async function* formatConfig(table: RouteTable): AsyncGenerator<string> {
  const { families } = table
  const tags = await collectTags(table)
  const routes = formatRoutes(families, tags.length > tagRoom(families) ? [] : tags)
  yield `{\n  "version": 3,\n  "routes": [\n${routes.map(route => `    ${JSON.stringify(route)}`).join(',\n')}\n  ],\n  "overrides": {\n`
  yield formatType(vercelPages.noReferrers, familyOf(families, 'referrers').mediaType)
  for await (const route of table.routes({ blobs: false }))
    if (route.kind !== 'blob') yield `,\n${formatType(sitePath(route), route.mediaType)}`
  yield '\n  }\n}\n'
}

function formatType(path: string, contentType: string): string {
  return `    ${JSON.stringify(path.slice(1))}: ${JSON.stringify({ contentType })}`
}
