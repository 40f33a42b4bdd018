import { registrishCommand } from './registrish.ts'
import type { Server } from './servers.ts'

/** Debian's docker-registry as its package configures it, which remembers in memory what it looked up of blobs; without a log of what it is asked. */
export const DOCKER_REGISTRY: Server = {
  program: 'docker-registry',
  command: config => ['docker-registry', 'serve', config],
  format: ({ root, port }) =>
    JSON.stringify({
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: root }, cache: { blobdescriptor: 'inmemory' } },
      http: { addr: `127.0.0.1:${port}`, secret: 'one registry, one process' },
    }),
}

/** `registrish serve`. */
export const REGISTRISH: Server = {
  program: process.execPath,
  command: (_, { root, port }) => registrishCommand('serve', '--listen', `127.0.0.1:${port}`, '--root', root),
}
