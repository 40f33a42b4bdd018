import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from './nginx.ts'
import { startPlainFront } from './plain-front.ts'
import type { Hosted } from './registrish.ts'
import { outputFiles, startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** A development server of Cloudflare's. */
export interface Wrangler extends Hosted {
  /** All it has printed. */
  readonly log: () => Promise<string>
}

/** Starts `wrangler pages dev` of a folder. */
export function startPages(site: string): Promise<Wrangler> {
  return startWrangler(['pages', 'dev', site])
}

/** Starts wrangler on a free port of loopback. It reports nothing, asks nothing, and writes below a home folder of its own, which goes when it has ended. */
export async function startWrangler(command: readonly string[], home?: string): Promise<Wrangler> {
  const folder = home ?? (await mkdtemp(join(tmpdir(), 'registrish-wrangler-')))
  const [port, inspector] = [await findFreePort(), await findFreePort()]
  const url = `http://127.0.0.1:${port}`
  const places = ['-C', folder, `HOME=${folder}`, `XDG_CONFIG_HOME=${folder}`]
  const habits = ['CI=true', 'WRANGLER_SEND_METRICS=false', 'NO_COLOR=1']
  const listen = ['--ip', '127.0.0.1', '--port', String(port), '--inspector-port', String(inspector)]
  const options = [...listen, '--compatibility-date', '2026-04-01']
  const server = await startServerProcess(['env', ...places, ...habits, toolPath('wrangler'), ...command, ...options], {
    folder,
    ready: () =>
      fetch(`${url}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      ),
  })
  const { stdout, stderr } = outputFiles(folder)
  const log = async (): Promise<string> => (await readFile(stdout, 'utf8')) + (await readFile(stderr, 'utf8'))
  const front = await startPlainFront(port)
  const close = async (): Promise<void> => {
    await front.close()
    await server.stop()
  }
  return { url, host: `localhost:${front.port}`, close, log }
}
