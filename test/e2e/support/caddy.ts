import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from './nginx.ts'
import { done, type Hosted } from './registrish.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** What every Caddyfile of the tests begins with: nothing but what the test asks for is listened to or written. */
export const CADDY_OPTIONS = '{\n\tadmin off\n\tauto_https off\n}\n'

/** Starts a real Caddy of Debian's on what `registrish emit` writes for a tree; as another user where the tests run as root. */
export async function startCaddy(root: string): Promise<Hosted> {
  const port = await findFreePort()
  await chmod(root, 0o755)
  await done(['emit', '--root', root, '--host', 'caddy', '--web-root', root, '--port', String(port)])
  const folder = await mkdtemp(join(tmpdir(), 'rgc-'))
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    fetch(`${url}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    )
  const caddy = await runCaddy(folder, `${CADDY_OPTIONS}import ${root}/caddy/Caddyfile\n`, ready)
  return { url, host: `localhost:${port}`, close: caddy.stop }
}

/** Runs a Caddy on a configuration; all that it writes goes to `folder`, which is removed when it ends. */
export async function runCaddy(
  folder: string,
  config: string,
  ready: () => Promise<boolean>,
): Promise<{ readonly stop: () => Promise<void> }> {
  await chmod(folder, 0o755)
  const home = join(folder, 'home')
  await mkdir(home)
  await chmod(home, 0o777)
  const file = join(folder, 'Caddyfile')
  await writeFile(file, config)
  const user = process.getuid?.() === 0 ? ['setpriv', '--reuid=www-data', '--regid=www-data', '--clear-groups'] : []
  const places = ['HOME', 'XDG_DATA_HOME', 'XDG_CONFIG_HOME'].map(name => `${name}=${home}`)
  const command = [...user, toolPath('caddy'), 'run', '--config', file, '--adapter', 'caddyfile']
  return startServerProcess(['env', ...places, ...command], { folder, ready })
}
