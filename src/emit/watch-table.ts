import { createDigester, digestOf } from '../oci/digest.ts'
import type { Route, RouteTable } from '../tree/route.ts'

/** A table that is read several times, while others may change the tree that it lists. */
interface WatchedTable {
  readonly table: RouteTable
  /** Whether all passes that were read to their end gave the same routes, but for blobs. */
  isSteady(): boolean
}

/**
 * Watches a table: of each pass only a digest is kept, since all routes of a large tree take much memory. Blobs do not count: they are listed before the manifests that
 * name them, and a download that is under way brings one after the other.
 */
export function watchTable(table: RouteTable): WatchedTable {
  let first: string | undefined
  let isSteady = true
  return {
    table: {
      families: table.families,
      async *routes(options = {}): AsyncGenerator<Route> {
        const digester = createDigester('sha256')
        for await (const route of table.routes(options)) {
          if (route.kind !== 'blob') digester.update(encoder.encode(describe(route)))
          yield route
        }
        if (options.repositories !== undefined) return
        const digest = digester.digest()
        first ??= digest
        if (first !== digest) isSteady = false
      },
    },
    isSteady: () => isSteady,
  }
}

const encoder = new TextEncoder()

function describe({ path, mediaType, size, digest, body }: Route): string {
  return `${path} ${mediaType} ${size} ${'bytes' in body ? digestOf(body.bytes) : digest}\n`
}
