import { chmod, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from './nginx.ts'
import { done, type Hosted } from './registrish.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** Starts a real lighttpd of Debian's on what `registrish emit` writes for a tree; as another user where the tests run as root. */
export async function startLighttpd(root: string): Promise<Hosted> {
  const port = await findFreePort()
  await chmod(root, 0o755)
  await done(['emit', '--root', root, '--host', 'lighttpd', '--web-root', root, '--port', String(port)])
  return startLighttpdOn(port, `include "${root}/lighttpd/lighttpd.conf"\nserver.bind = "127.0.0.1"\n`)
}

/** Starts a real lighttpd with a configuration of one's own; answers `/v2/` with 200 when it is ready. */
export async function startLighttpdOn(port: number, config: string): Promise<Hosted> {
  const folder = await mkdtemp(join(tmpdir(), 'rgl-'))
  await chmod(folder, 0o755)
  const file = join(folder, 'lighttpd.conf')
  await writeFile(file, config)
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    fetch(`${url}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    )
  const user = process.getuid?.() === 0 ? ['setpriv', '--reuid=www-data', '--regid=www-data', '--clear-groups'] : []
  const lighttpd = await startServerProcess(['env', ...user, toolPath('lighttpd'), '-D', '-f', file], { folder, ready })
  return { url, host: `localhost:${port}`, close: lighttpd.stop }
}
