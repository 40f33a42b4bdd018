import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { emitHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { type RunningServer, servingContract } from '../contract/serving.ts'
import { DEBIAN_MODULES, startApacheOn } from './support/apache.ts'
import { findFreePort } from './support/nginx.ts'
import { describeWith } from './support/suites.ts'

/** What a user of Apache may have enabled besides, and what of it harms a registry. */
const MODULES = [
  ...DEBIAN_MODULES,
  ...[
    'headers',
    'rewrite',
    'actions',
    'asis',
    'brotli',
    'cgid',
    'expires',
    'include',
    'proxy',
    'proxy_http',
    'speling',
  ],
]

const HOSTILE = `
  AddType text/html .html .gz .fr .js
  AddType application/x-httpd-php .php
  AddEncoding br .br
  AddLanguage en .en .0
  AddCharset utf-8 .js .json .html .fr
  AddDefaultCharset utf-8
  AddHandler cgi-script .cgi .pl
  AddHandler server-parsed .shtml
  AddHandler send-as-is .asis .as
  AddOutputFilter INCLUDES .shtml .html
  SetOutputFilter DEFLATE;BROTLI_COMPRESS
  ExpiresActive On
  ExpiresDefault "access plus 1 hour"
  DirectoryIndex index.html
  IndexOptions FancyIndexing
  FileETag All
  Header set Cache-Control "public, immutable"
  Header always set Cache-Control "public, immutable"
  Header set ETag own
  Header set X-Own yes
  Header set Content-Type "text/html; charset=utf-8"
  ErrorDocument 400 /own.json
  ErrorDocument 403 /own.json
  ErrorDocument 404 /own.json
  ErrorDocument 405 /own.json
`

/** Both ways to use what is emitted: the whole server, and the snippet in a virtual host of the user's own. */
describeWith(['apache2'], 'apache', () => {
  servingContract('apache, the virtual host', root => start(root, () => `IncludeOptional ${root}/apache/*.conf`))
  servingContract('apache, everything enabled', root =>
    start(root, () => `${HOSTILE}\nIncludeOptional ${root}/apache/*.conf`),
  )
  servingContract('apache, the snippet in a virtual host of the user', root => start(root, formatOwn))
})

/** Starts a real Apache on what `emit` wrote. */
async function start(root: string, format: (root: string, port: number) => string): Promise<RunningServer> {
  chmodSync(dirname(root), 0o755)
  const port = await findFreePort()
  await emitHosts(openTree(root), [{ name: 'apache', options: { 'web-root': root, port: String(port) } }])
  return startApacheOn(port, MODULES, format(root, port))
}

/** A virtual host of the user's own, which serves other things. */
function formatOwn(root: string, port: number): string {
  const htdocs = join(dirname(root), 'htdocs')
  mkdirSync(htdocs)
  writeFileSync(join(htdocs, 'own.json'), '{"errors":[{"code":"OWN","message":"the page of the user"}]}')
  return `
Listen ${port}
${HOSTILE}
<VirtualHost *:${port}>
  DocumentRoot ${htdocs}
  <Directory ${htdocs}>
    Options Indexes MultiViews FollowSymLinks Includes ExecCGI
    Require all granted
  </Directory>
  <Directory ${root}>
    Options Indexes MultiViews FollowSymLinks Includes ExecCGI
    AllowOverride All
    CheckSpelling On
    Require all granted
    ForceType text/html
    SetHandler server-parsed
    RewriteEngine On
    RewriteRule . /own.json [L]
  </Directory>
  <Files own.json>
    ForceType application/json
    Header unset Cache-Control
    Header always set Cache-Control no-store
    Header set Content-Type application/json
    Header unset ETag
    SetEnv no-gzip 1
    SetEnv no-brotli 1
  </Files>
  Include ${root}/apache/snippets/locations.conf
  RewriteEngine On
  RewriteRule ^/$ /nothing [PT]
  ProxyPass /v2 http://127.0.0.1:9/v2
</VirtualHost>`
}
