import type { EmitProblem, EmittedFile, Emitter, SiteFile } from '../../src/emit/emitter.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { headersOf, type Route, type RouteTable } from '../../src/tree/route.ts'
import { FAMILIES } from '../../src/tree/routes.ts'

/** A route as a tree would give it, or as no tree ever would: nothing is checked. */
export function route(
  repository: string,
  kind: 'tag' | 'manifest' | 'blob',
  reference: string,
  mediaType: string,
  digest: string,
): Route {
  const file = `v2/${repository}/${kind === 'blob' ? 'blobs' : 'manifests'}/${reference}`
  return {
    path: `/${file}`,
    kind,
    repository,
    body: { file },
    mediaType,
    size: 2,
    digest: digest as Digest,
    cache: kind === 'tag' ? 'short' : 'immutable',
    headers: headersOf(kind, mediaType, digest),
  }
}

/** A table of these routes, in their order. */
export function routeTable(routes: readonly Route[]): RouteTable {
  return {
    families: FAMILIES,
    async *routes(): AsyncGenerator<Route> {
      yield* routes
    },
  }
}

/** All text of an emitted file. */
export async function textOf(chunks: EmittedFile['chunks']): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk
  return text
}

/** All that an emitter prints of a table, by path. */
export async function emittedFiles(
  emitter: Emitter,
  table: RouteTable,
  options: Readonly<Record<string, string>> = {},
): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for await (const { path, chunks } of emitter.emit(table, options)) files.set(path, await textOf(chunks))
  return files
}

/** All that an emitter puts into the folder that it publishes. */
export async function siteFiles(emitter: Emitter, table: RouteTable): Promise<readonly SiteFile[]> {
  const files: SiteFile[] = []
  for await (const file of emitter.site?.files(table, {}) ?? []) files.push(file)
  return files
}

/** What an emitter says against these routes. */
export async function problemsOf(emitter: Emitter, routes: readonly Route[]): Promise<readonly EmitProblem[]> {
  const found: EmitProblem[] = []
  for await (const problem of emitter.check(routeTable(routes), {})) found.push(problem)
  return found
}
