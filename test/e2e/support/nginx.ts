import { chmod, mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { done, type Hosted } from './registrish.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** Starts a real nginx of Debian's on what `registrish emit` writes for a tree; its workers are another user. */
export async function startNginx(root: string, form: 'constant' | 'map' = 'constant'): Promise<Hosted> {
  const port = await findFreePort()
  await chmod(root, 0o755)
  const options = ['--web-root', root, '--port', String(port), '--form', form]
  await done(['emit', '--root', root, '--host', 'nginx', ...options])
  const folder = await mkdtemp(join(tmpdir(), 'rgn-'))
  await writeFile(join(folder, 'nginx.conf'), formatConfig(folder, `include ${root}/nginx/*.conf;`))
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    fetch(`${url}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    )
  const command = [toolPath('nginx'), '-c', join(folder, 'nginx.conf'), '-e', 'stderr'] as const
  const nginx = await startServerProcess([...command], { folder, ready })
  const reload = async (): Promise<void> => {
    await execa(command[0], [...command.slice(1), '-s', 'reload'])
  }
  return { url, host: `localhost:${port}`, ...(form === 'map' ? { reload } : {}), close: nginx.stop }
}

/** nginx cannot choose a port itself. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })
}

/** What Debian's nginx.conf has, with `conf.d/` replaced. */
function formatConfig(folder: string, included: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
pid ${folder}/pid;
${process.getuid?.() === 0 ? 'user www-data;' : ''}
worker_processes auto;
events { worker_connections 768; }
http {
  sendfile on;
  tcp_nopush on;
  types_hash_max_size 2048;
  access_log off;
  ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  gzip on;
  ${included}
}
`
}
