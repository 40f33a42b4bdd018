import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { rawRequest } from '../../contract/raw-request.ts'
import type { RunningServer } from '../../contract/serving.ts'
import { findFreePort } from './nginx.ts'
import { done, type Hosted } from './registrish.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'
import type { WebServer } from './web-servers.ts'

/** What one hoster's Apache has otherwise than others. */
export interface Hoster {
  /** Modules that are not there. */
  readonly without?: readonly string[]
  /** What a .htaccess may say; default: all. */
  readonly allowOverride?: string
  readonly options?: string
  /** Whether the sites are found by a rule of the hoster's, so that DOCUMENT_ROOT is not this one's. */
  readonly manySites?: boolean
}

/** A hoster's Apache on what `registrish emit` writes for a tree. */
export const WEB_SPACE: WebServer = { name: 'Apache without a vhost', needs: ['apache2'], start: startHtaccess }

async function startHtaccess(root: string): Promise<Hosted> {
  await done(['emit', '--root', root, '--host', 'htaccess'])
  const { url, close } = await startWebSpace(root)
  return { url, host: url.replace('http://127.0.0.1', 'localhost'), close }
}

/** Starts a real Apache, as a hoster would, on a folder with a .htaccess: with everything on that harms a registry. Its workers run as another user where the tests run as root. */
export async function startWebSpace(root: string, hoster: Hoster = {}): Promise<RunningServer> {
  for (const path of [dirname(root), root]) if (path !== tmpdir()) chmodSync(path, 0o755)
  const port = await findFreePort()
  const folder = mkdtempSync(join(tmpdir(), 'rgw-'))
  const config = join(folder, 'apache.conf')
  writeFileSync(config, formatConfig({ root, folder, port }, hoster))
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    rawRequest(url, { path: '/v2/' }).then(
      () => true,
      () => false,
    )
  const apache = await startServerProcess([toolPath('apache2'), '-DFOREGROUND', '-f', config], { folder, ready })
  return { url, close: apache.stop }
}

/** Modules that a hoster may have or not, but for what no Apache can do without. */
export const HOSTER_MODULES: readonly string[] = [
  ...['alias', 'autoindex', 'brotli', 'cgid', 'deflate', 'dir', 'env', 'expires', 'headers', 'include'],
  ...['mime', 'negotiation', 'rewrite', 'setenvif', 'speling'],
]

const NEEDED_MODULES = ['mpm_event', 'authn_core', 'authz_core', 'authz_host', 'filter']

interface Place {
  readonly root: string
  readonly folder: string
  readonly port: number
}

function formatConfig({ root, folder, port }: Place, hoster: Hoster): string {
  const { without = [], allowOverride = 'All', options = 'FollowSymLinks', manySites = false } = hoster
  const modules = [...NEEDED_MODULES, ...HOSTER_MODULES].filter(name => !without.includes(name))
  return `
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
Mutex file:${folder} default
ErrorLog /dev/stderr
StartServers 1
${modules.map(name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
${process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''}
DocumentRoot ${manySites ? folder : root}
${manySites ? `RewriteEngine On\nRewriteRule ^/(.*)$ ${root}/$1` : ''}
AddDefaultCharset UTF-8
ErrorDocument 404 "the page of the hoster"
<Directory ${root}>
  Options Indexes MultiViews ExecCGI Includes ${options}
  AllowOverride ${allowOverride}
  Require all granted
</Directory>
<Files ".ht*">
  Require all denied
</Files>
${HARM.map(([name, lines]) => `<IfModule mod_${name}.c>\n${lines}\n</IfModule>`).join('\n')}
`
}

/** What a module makes of a tag's name, or adds to an answer. */
const HARM: readonly (readonly [string, string])[] = [
  [
    'mime',
    `TypesConfig /etc/mime.types
AddEncoding x-gzip .gz .tgz
AddEncoding br .br
AddLanguage fr .fr
AddLanguage en .html
AddCharset UTF-8 .json .js
AddType application/x-httpd-php .php
AddHandler type-map var
AddHandler cgi-script .cgi
<IfModule mod_include.c>
AddOutputFilter INCLUDES .shtml
</IfModule>`,
  ],
  ['deflate', 'SetOutputFilter DEFLATE'],
  ['expires', 'ExpiresActive On\nExpiresDefault "access plus 1 hour"'],
  [
    'headers',
    `Header always set Cache-Control "public, immutable"
Header set ETag "own"
Header set Last-Modified "Mon, 01 Jan 2024 00:00:00 GMT"`,
  ],
  ['dir', 'DirectoryIndex index.html index.php\nFallbackResource /index.html'],
  ['speling', 'CheckSpelling On'],
]
