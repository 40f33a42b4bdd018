import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from './nginx.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** superstatic, the server in Firebase's emulator, on loopback. */
export interface Superstatic {
  readonly url: string
  /** `127.0.0.1:port`, for clients. */
  readonly host: string
  readonly stop: () => Promise<void>
}

/** Serves what `registrish emit --host firebase` wrote below a root. The folder that it serves is joined to its own: an absolute path finds nothing. */
export async function startSuperstatic(root: string): Promise<Superstatic> {
  const folder = await mkdtemp(join(tmpdir(), 'registrish-superstatic-'))
  const port = await findFreePort()
  const settings = ['-C', join(root, 'firebase'), `HOME=${folder}`, `XDG_CONFIG_HOME=${folder}`, 'CI=true']
  const options = ['.', '--host', '127.0.0.1', '--port', String(port), '--config', 'firebase.json']
  const url = `http://127.0.0.1:${port}`
  const { stop } = await startServerProcess(['env', ...settings, toolPath('superstatic'), ...options], {
    folder,
    ready: () =>
      fetch(`${url}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      ),
  })
  return { url, host: `127.0.0.1:${port}`, stop }
}
