import { existsSync } from 'node:fs'
import { dirname } from 'node:path'

/** Where a server stands and what it serves. */
export interface Place {
  readonly root: string
  /** A folder for its configuration and whatever it writes. */
  readonly folder: string
  readonly port: number
}

/** A program that serves. */
export interface Server<P extends Place = Place> {
  readonly program: string
  /** The command that runs it in the foreground. */
  command(config: string, place: P): readonly string[]
  /** Its configuration, where it has a file for that. */
  format?(place: P): string
}

/** A web server and a tree that `emit` has been run for, where `emitted`. */
export interface Site extends Place {
  /** What `emit` wrote, or nothing but the folder as it is: every file with the type that the server gives it. */
  readonly content: 'emitted' | 'bare'
}

/** A web server as this machine's packages have it, with one worker. */
export type WebServer = Server<Site>

/** Every web server that runs here, by the name of its host. */
export const WEB_SERVERS: Readonly<Record<string, WebServer>> = {
  nginx: {
    program: 'nginx',
    command: config => ['nginx', '-e', 'stderr', '-c', config],
    format: formatNginx,
  },
  apache: {
    program: 'apache2',
    command: config => ['apache2', '-D', 'FOREGROUND', '-f', config],
    format: formatApache,
  },
  htaccess: {
    program: 'apache2',
    command: config => ['apache2', '-D', 'FOREGROUND', '-f', config],
    format: site => formatApache({ ...site, content: 'bare' }, site.content === 'emitted' ? 'All' : 'None'),
  },
  caddy: {
    program: 'caddy',
    command: config => [
      'env',
      `XDG_CONFIG_HOME=${dirname(config)}`,
      `XDG_DATA_HOME=${dirname(config)}`,
      'caddy',
      'run',
      '--adapter',
      'caddyfile',
      '--config',
      config,
    ],
    format: formatCaddy,
  },
}

const AS_ROOT = process.getuid?.() === 0

function formatNginx({ root, folder, port, content }: Site): string {
  const bare = `server { listen ${port}; root ${root}; }`
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
pid ${folder}/pid;
${AS_ROOT ? 'user www-data;' : ''}
worker_processes 1;
events { worker_connections 768; }
http {
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  access_log off;
  ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  ${content === 'emitted' ? `include ${root}/nginx/*.conf;` : bare}
}
`
}

/** The modules that Debian switches on, and the two that a registry needs. */
const APACHE_MODULES =
  'mpm_event authz_core authz_host access_compat alias autoindex deflate dir env filter headers mime negotiation reqtimeout rewrite setenvif status authn_core authn_file auth_basic authz_user'

function formatApache({ root, folder, port, content }: Site, override = 'None'): string {
  const modules = '/usr/lib/apache2/modules'
  if (!existsSync(modules)) throw new Error(`Apache's modules are not in ${modules}`)
  const bare = `
Listen ${port}
<VirtualHost *:${port}>
  DocumentRoot ${root}
  <Directory ${root}>
    Options FollowSymLinks
    AllowOverride ${override}
    Require all granted
  </Directory>
</VirtualHost>`
  return `
ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
ErrorLog ${folder}/error.log
${APACHE_MODULES.split(' ')
  .map(name => `LoadModule ${name}_module ${modules}/mod_${name}.so`)
  .join('\n')}
${AS_ROOT ? 'User www-data\nGroup www-data' : ''}
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
MaxKeepAliveRequests 0
TypesConfig /etc/mime.types
<Directory />
  AllowOverride None
  Require all denied
</Directory>
${content === 'emitted' ? `IncludeOptional ${root}/apache/*.conf` : bare}
`
}

function formatCaddy({ root, port, content }: Site): string {
  const bare = `
http://:${port} {
  root * ${root}
  file_server
}`
  return `
{
  admin off
  auto_https off
}
${content === 'emitted' ? `import ${root}/caddy/Caddyfile` : bare}
`
}
