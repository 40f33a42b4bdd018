import { createDigester, digestOf } from '../oci/digest.ts'
import type { Route, RouteTable } from '../tree/route.ts'

/** A table that is read several times, while others may change the tree that it lists. */
interface WatchedTable {
  readonly table: RouteTable
  /** Whether all passes that were read to their end gave the same routes. */
  isSteady(): boolean
}

/** Watches a table: of each pass only a digest is kept, since all routes of a large tree take much memory. */
export function watchTable(table: RouteTable): WatchedTable {
  const seen = new Map<string, string>()
  let isSteady = true
  const compare = (part: string, digest: string): void => {
    if ((seen.get(part) ?? digest) !== digest) isSteady = false
    seen.set(part, digest)
  }
  return {
    table: {
      families: table.families,
      async *routes(options = {}): AsyncGenerator<Route> {
        const [blobs, others] = [createDigester('sha256'), createDigester('sha256')]
        for await (const route of table.routes(options)) {
          const digester = route.kind === 'blob' ? blobs : others
          digester.update(encoder.encode(describe(route)))
          yield route
        }
        if (options.repositories !== undefined) return
        compare('others', others.digest())
        if (options.blobs !== false) compare('blobs', blobs.digest())
      },
    },
    isSteady: () => isSteady,
  }
}

const encoder = new TextEncoder()

function describe({ path, mediaType, size, digest, body }: Route): string {
  return `${path} ${mediaType} ${size} ${'bytes' in body ? digestOf(body.bytes) : digest}\n`
}
