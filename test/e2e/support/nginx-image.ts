import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Engine } from './engine.ts'
import { run } from './run.ts'
import { requireAll, toolPath } from './tools.ts'

/** What {@link importNginx} needs beside an engine when nothing is cached. */
export const nginxImageNeeds = ['apt-get', 'tar'] as const

/**
 * Gives an engine the image `nginx`, as the one of that name on Docker Hub is, made from Debian's package: its server runs in the foreground, its workers
 * as a user of their own, and it has a `conf.d/default.conf` that answers for `localhost`. The file system is made once and kept in `cache`.
 */
export async function importNginx({ docker }: Engine, cache: string): Promise<void> {
  const archive = await nginxFileSystem(cache)
  const changes = ['ENTRYPOINT ["nginx", "-g", "daemon off;"]', 'EXPOSE 80']
  await docker(['import', ...changes.flatMap(change => ['--change', change]), archive, 'nginx'])
}

/** The path of a tar archive; it is whole, since it gets its name last. */
async function nginxFileSystem(cache: string): Promise<string> {
  const recipe = await readFile(fileURLToPath(import.meta.url))
  const key = createHash('sha256').update(process.arch).update(recipe).digest('hex').slice(0, 12)
  const archive = join(cache, `nginx-${key}.tar`)
  if ((await stat(archive).catch(() => undefined)) !== undefined) return archive
  requireAll(nginxImageNeeds)
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, `building-${process.pid}-`))
  try {
    const root = join(folder, 'root')
    await unpackPackages(root, folder)
    for (const [path, text] of Object.entries(ownFiles)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), text)
    }
    const packed = join(folder, 'root.tar')
    const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u+rwX,go+rX']
    await run(toolPath('tar'), ['--create', ...owner, `--file=${packed}`, `--directory=${root}`, '.'])
    await rename(packed, archive)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return archive
}

/** Debian's nginx and all that it depends on, unpacked; what their scripts would do is not done. */
async function unpackPackages(root: string, folder: string): Promise<void> {
  const packages = join(folder, 'packages')
  await mkdir(join(packages, 'partial'), { recursive: true })
  await mkdir(root)
  const nothingInstalled = join(folder, 'status')
  await writeFile(nothingInstalled, '')
  const settings = [
    `Dir::State::status=${nothingInstalled}`,
    `Dir::Cache::archives=${packages}`,
    'Debug::NoLocking=1',
    `APT::Sandbox::User=${userInfo().username}`,
  ]
  const install = ['install', '--download-only', '--no-install-recommends', '--yes', 'nginx']
  const options = settings.flatMap(setting => ['--option', setting])
  await run(toolPath('apt-get'), [...options, ...install], { timeout: 300_000 })
  for (const name of await readdir(packages)) {
    if (name.endsWith('.deb')) await run('dpkg-deb', ['--extract', join(packages, name), root])
  }
}

const ownFiles = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnginx:x:101:101::/nonexistent:/bin/false\n',
  'etc/group': 'root:x:0:\nnginx:x:101:\n',
  'var/log/nginx/.keep': '',
  'run/.keep': '',
  'var/cache/nginx/.keep': '',
  'etc/nginx/nginx.conf': `user nginx;
worker_processes 2;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
`,
  'etc/nginx/conf.d/default.conf': `server {
    listen 80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
    error_page 500 502 503 504 /50x.html;
}
`,
} as const
