import type { Route, RouteTable } from '../tree/route.ts'

/** A table that shows its routes to `see` while somebody else reads them, so that it is read once for two. */
export function seenTable(table: RouteTable, see: (route: Route) => void): RouteTable {
  return {
    families: table.families,
    async *routes(options) {
      for await (const route of table.routes(options)) {
        see(route)
        yield route
      }
    },
  }
}
