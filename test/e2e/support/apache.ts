import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from './nginx.ts'
import { done, type Hosted } from './registrish.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** Starts a real Apache of Debian's, with the modules that it enables and the two that registrish needs, on what `registrish emit` writes for a tree; its workers are another user. */
export async function startApache(root: string): Promise<Hosted> {
  const port = await findFreePort()
  await chmod(root, 0o755)
  await done(['emit', '--root', root, '--host', 'apache', '--web-root', root, '--port', String(port)])
  const modules = [...DEBIAN_MODULES, 'headers', 'rewrite']
  return startApacheOn(port, modules, `IncludeOptional ${root}/apache/*.conf`)
}

/** Starts a real Apache with a configuration of one's own; answers `/v2/` with 200 when it is ready. */
export async function startApacheOn(port: number, modules: readonly string[], config: string): Promise<Hosted> {
  const folder = await mkdtemp(join(tmpdir(), 'rga-'))
  await chmod(folder, 0o755)
  await mkdir(join(folder, 'htdocs'))
  await writeFile(join(folder, 'apache.conf'), formatConfig(folder, modules, config))
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    fetch(`${url}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    )
  const command = [toolPath('apache2'), '-DFOREGROUND', '-f', join(folder, 'apache.conf')] as const
  const apache = await startServerProcess(command, { folder, ready })
  return { url, host: `localhost:${port}`, close: apache.stop }
}

/** What Debian's package enables. */
export const DEBIAN_MODULES: readonly string[] = [
  ...['access_compat', 'alias', 'auth_basic', 'authn_core', 'authn_file', 'authz_core', 'authz_host', 'authz_user'],
  ...['autoindex', 'deflate', 'dir', 'env', 'filter', 'mime', 'mpm_event', 'negotiation', 'reqtimeout', 'setenvif'],
]

/** What Debian's apache2.conf has, with the included folders replaced. */
function formatConfig(folder: string, modules: readonly string[], config: string): string {
  return `
ServerName localhost
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
Mutex file:${folder} default
${modules.map(name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
${process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''}
StartServers 1
ErrorLog ${folder}/error.log
LogLevel warn
TypesConfig /etc/mime.types
AccessFileName .htaccess
DocumentRoot ${folder}/htdocs
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
<Directory ${folder}/htdocs>
    Options Indexes FollowSymLinks
    Require all granted
</Directory>
<FilesMatch "^\\.ht">
    Require all denied
</FilesMatch>
<IfModule mod_deflate.c>
    AddOutputFilterByType DEFLATE text/html text/plain text/xml text/css text/javascript application/javascript application/json
</IfModule>
DirectoryIndex index.html index.cgi index.pl index.php index.xhtml index.htm
AddLanguage fr .fr
AddEncoding x-gzip .gz .tgz
AddHandler type-map var
${config}
`
}
