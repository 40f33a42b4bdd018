import { join } from 'node:path'
import type { Context } from './bench.ts'
import { DOCKER_REGISTRY } from './registries.ts'
import { findFreePort, startServer } from './server-process.ts'

/** Starts a docker-registry of what is in a folder, on any core, until the bench ends. Returns its `HOST:PORT`. */
export async function startUpstream({ folder, atEnd }: Context, root: string): Promise<string> {
  const port = await findFreePort()
  const place = { root, folder: join(folder, 'upstream'), port }
  const running = await startServer(DOCKER_REGISTRY, place, { path: '/v2/' })
  atEnd(running.stop)
  return `127.0.0.1:${port}`
}
