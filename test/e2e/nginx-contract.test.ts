import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { emitHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rawRequest } from '../contract/raw-request.ts'
import { type RunningServer, servingContract } from '../contract/serving.ts'
import { findFreePort } from './support/nginx.ts'
import { startServerProcess } from './support/server-process.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

/** Both ways to use what is emitted: the whole server, and the snippets in a server of the user's own. */
const FORMS: Readonly<Record<string, (root: string, port: number) => string>> = {
  'nginx, the server': root => `include ${root}/nginx/*.conf;`,
  'nginx, snippets in a server of the user': (root, port) => `
    include ${root}/nginx/snippets/maps.conf;
    server {
      listen ${port};
      root ${root};
      index index.html;
      error_page 400 404 /own.json;
      location / { return 404; }
      location ~ \\.(?:html|js|php|gz)$ { return 404; }
      location = /own.json {
        internal;
        types { }
        default_type application/json;
        charset off;
        gzip off;
        add_header Cache-Control no-store always;
        return 404 '{"errors":[{"code":"OWN","message":"the page of the user"}]}';
      }
      include ${root}/nginx/snippets/locations.conf;
    }`,
}

describeWith(['nginx'], 'nginx', () => {
  for (const [name, format] of Object.entries(FORMS)) servingContract(name, root => startNginx(root, format))
})

/** Starts a real nginx on what `emit` wrote, with everything switched on that harms a registry. Its workers run as another user where the tests run as root. */
async function startNginx(root: string, format: (root: string, port: number) => string): Promise<RunningServer> {
  const folder = dirname(root)
  chmodSync(folder, 0o755)
  const port = await findFreePort()
  await emitHosts(openTree(root), [{ name: 'nginx', options: { 'web-root': root, port: String(port) } }])
  const run = join(folder, 'run')
  mkdirSync(run)
  const config = join(run, 'nginx.conf')
  writeFileSync(config, formatHostileConfig(run, format(root, port)))
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    rawRequest(url, { path: '/v2/' }).then(
      ({ status }) => status === 200,
      () => false,
    )
  const nginx = await startServerProcess([toolPath('nginx'), '-c', config, '-e', 'stderr'], { folder: run, ready })
  return { url, close: nginx.stop }
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
  open_file_cache max=100 inactive=1h; open_file_cache_errors on;
  autoindex on; etag on; if_modified_since exact;
  ${included}
}
`
}
