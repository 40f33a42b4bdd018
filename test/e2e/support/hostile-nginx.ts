import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { emitHosts } from '../../../src/emit/apply.ts'
import type { EmitOptions } from '../../../src/emit/emitter.ts'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { rawRequest } from '../../contract/raw-request.ts'
import type { RunningServer } from '../../contract/serving.ts'
import { findFreePort } from './nginx.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** An nginx that reads its configuration anew when it is told to. */
export interface RunningNginx extends RunningServer {
  /** Resolves when nginx was told; answers follow the new configuration soon after. */
  reload(): Promise<void>
}

/** How nginx is made to serve: `format` gives what is included in http { }. */
export interface HostileNginxOptions {
  readonly format: (root: string, port: number) => string
  readonly options?: EmitOptions
}

/** The whole server that was emitted. */
export function wholeServer(root: string): string {
  return `include ${root}/nginx/*.conf;`
}

/** Starts a real nginx on what `emit` wrote, with everything switched on that harms a registry. Its workers run as another user where the tests run as root. */
export async function startHostileNginx(
  root: string,
  { format, options = {} }: HostileNginxOptions,
): Promise<RunningNginx> {
  const folder = dirname(root)
  chmodSync(folder, 0o755)
  const port = await findFreePort()
  await emitHosts(openTree(root), [{ name: 'nginx', options: { 'web-root': root, port: String(port), ...options } }])
  const run = join(folder, 'run')
  mkdirSync(run)
  const config = join(run, 'nginx.conf')
  writeFileSync(config, formatHostileConfig(run, format(root, port)))
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    rawRequest(url, { path: '/v2/' }).then(
      ({ status }) => status === 200 || status === 401,
      () => false,
    )
  const command = [toolPath('nginx'), '-c', config, '-e', 'stderr'] as const
  const nginx = await startServerProcess([...command], { folder: run, ready })
  const reload = async (): Promise<void> => {
    await execa(command[0], [...command.slice(1), '-s', 'reload'])
  }
  return { url, reload, close: nginx.stop }
}

function formatHostileConfig(run: string, included: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
pid ${run}/pid;
${process.getuid?.() === 0 ? 'user www-data;' : ''}
events { worker_connections 128; }
http {
  access_log off;
  ${temporary.map(name => `${name}_temp_path ${run}/${name};`).join('\n  ')}
  include /etc/nginx/mime.types;
  default_type text/plain;
  gzip on; gzip_types *; gzip_min_length 1; gzip_http_version 1.0; gzip_proxied any;
  charset utf-8; charset_types *;
  expires 1h; add_header X-Own yes always; add_header Cache-Control "public, immutable" always;
  ssi on; ssi_types *; ssi_last_modified on; ssi_value_length 16;
  open_file_cache max=100 inactive=1h; open_file_cache_errors on;
  autoindex on; etag on; if_modified_since exact;
  ${included}
}
`
}
