import type { Route } from '../tree/route.ts'

/** The routes of one repository after the other: a table is sorted so. */
export async function* byRepository(routes: AsyncIterable<Route>): AsyncGenerator<readonly [string, readonly Route[]]> {
  let current: { readonly repository: string; readonly routes: Route[] } | undefined
  for await (const route of routes) {
    const { repository } = route
    if (repository === undefined) continue
    if (current?.repository !== repository) {
      if (current !== undefined) yield [current.repository, current.routes]
      current = { repository, routes: [] }
    }
    current.routes.push(route)
  }
  if (current !== undefined) yield [current.repository, current.routes]
}
