import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rawRequest } from '../../contract/raw-request.ts'
import type { RunningServer } from '../../contract/serving.ts'
import { findFreePort } from './nginx.ts'
import { type RunResult, run } from './run.ts'
import { startServerProcess } from './server-process.ts'
import { type Tool, toolPath } from './tools.ts'

/** A rule, and the words that say where it belongs. */
export interface PlacedRule {
  readonly text: string
  readonly rule: string
}

/** Where a configuration is for, and what it has beside the faults. */
interface Site {
  readonly root: string
  readonly folder: string
  readonly port: number
  readonly rules: readonly PlacedRule[]
}

/** A server of somebody who knows nothing of registries, to which rules can be added. */
export interface RuleServer {
  readonly host: string
  readonly tool: Tool
  /** What a path is answered with that would write. */
  readonly refusal: number
  readonly configure: (site: Site) => string
  /** The arguments that have a configuration tried, and used. */
  readonly tries: readonly string[]
  readonly runs: readonly string[]
}

/** Has the real program read a configuration with rules. */
export async function loadRules(server: RuleServer, rules: readonly PlacedRule[], root: string): Promise<RunResult> {
  const { folder, file } = await prepare(server, rules, root)
  const command = [`HOME=${folder}`, toolPath(server.tool), ...argumentsFor(server.tries, file)]
  const result = await run('env', command, { reject: false })
  await rm(folder, { recursive: true, force: true })
  return result
}

/** Starts the real program on loopback with rules. */
export async function startWithRules(
  server: RuleServer,
  rules: readonly PlacedRule[],
  root: string,
): Promise<RunningServer> {
  const { folder, file, port } = await prepare(server, rules, root)
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    rawRequest(url, { path: '/' }).then(
      () => true,
      () => false,
    )
  const command = ['env', `HOME=${folder}`, toolPath(server.tool), ...argumentsFor(server.runs, file)] as const
  const { stop } = await startServerProcess([...command], { folder, ready })
  return { url, close: stop }
}

async function prepare(
  { configure }: RuleServer,
  rules: readonly PlacedRule[],
  root: string,
): Promise<{ readonly folder: string; readonly file: string; readonly port: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'rgr-'))
  await chmod(folder, 0o755)
  const port = await findFreePort()
  const file = join(folder, 'conf')
  await writeFile(file, configure({ root, folder, port, rules }))
  return { folder, file, port }
}

function argumentsFor(args: readonly string[], file: string): readonly string[] {
  return args.map(arg => (arg === 'FILE' ? file : arg))
}

/** The rules of a place, one behind the other. */
function rulesAt(rules: readonly PlacedRule[], place: RegExp): string {
  return rules.flatMap(({ text, rule }) => (place.test(text) ? [rule] : [])).join('\n')
}

const ROOT = process.getuid?.() === 0

function configureNginx({ root, folder, port, rules }: Site): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  // A path has one location: headers go where the type is said, if it is.
  const headers = rulesAt(rules, /^in a "location = PATH"$/)
  const server = rulesAt(rules, /^in the server block$/)
  const joined = server.replace(/^(location = \S+\/latest \{.*) \}$/m, `$1 ${headers} }`)
  return `
daemon off;
pid ${folder}/pid;
${ROOT ? 'user www-data;' : ''}
events {}
http {
  access_log off;
  ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  types { application/gzip gz; }
  default_type text/plain;
  gzip on;
  gzip_types *;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    expires 1d;
    ${joined}
    ${joined === server ? `location = /own { ${headers} }` : ''}
    location /v2/ { ${rulesAt(rules, /^in each location of \/v2\/$/)} }
  }
}
`
}

const APACHE_MODULES = ['mpm_event', 'authz_core', 'deflate', 'dir', 'env', 'filter', 'headers', 'mime']

function configureApache({ root, folder, port, rules }: Site): string {
  return `
ServerName localhost
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
Mutex file:${folder} default
ErrorLog /dev/stderr
${APACHE_MODULES.map(name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
${ROOT ? 'User www-data\nGroup www-data' : ''}
StartServers 1
Listen 127.0.0.1:${port}
TypesConfig /dev/null
<VirtualHost *:${port}>
  DocumentRoot ${root}
  <Directory ${root}>
    Require all granted
  </Directory>
  AddType application/gzip .gz
  AddEncoding x-gzip .gz
  SetOutputFilter DEFLATE
  MaxRanges none
  Header set Cache-Control "public, immutable"
  Header always set Docker-Content-Digest "sha256:0"
  ${rulesAt(rules, /^in the (?:site|<VirtualHost>)/)}
</VirtualHost>
`
}

function configureCaddy({ root, port, rules }: Site): string {
  const ownEncode = rulesAt(rules, /for its "encode"$/)
  return `
{
  admin off
  auto_https off
}
:${port} {
  bind 127.0.0.1
  root * ${root}
  ${ownEncode === '' ? 'encode zstd gzip' : ''}
  header /v2/* Cache-Control "public, immutable"
  ${rulesAt(rules, /^in the site/)}
  file_server
}
`
}

function configureLighttpd({ root, port, rules }: Site): string {
  return `
server.document-root = "${root}"
server.bind = "127.0.0.1"
server.port = ${port}
${ROOT ? 'server.username = "www-data"\nserver.groupname = "www-data"' : ''}
server.modules = ("mod_setenv", "mod_deflate")
mimetype.assign = (".gz" => "application/gzip", "" => "text/plain")
deflate.mimetypes = ("text/plain")
deflate.allowed-encodings = ("gzip")
setenv.add-response-header = ("Cache-Control" => "public, immutable")
${rulesAt(rules, /^in the configuration/)}
`
}

/** The servers that run here. */
export const RULE_SERVERS: readonly RuleServer[] = [
  {
    host: 'nginx',
    tool: 'nginx',
    refusal: 405,
    configure: configureNginx,
    tries: ['-t', '-e', 'stderr', '-c', 'FILE'],
    runs: ['-e', 'stderr', '-c', 'FILE'],
  },
  {
    host: 'apache',
    tool: 'apache2',
    refusal: 403,
    configure: configureApache,
    tries: ['-t', '-f', 'FILE'],
    runs: ['-DFOREGROUND', '-f', 'FILE'],
  },
  {
    host: 'caddy',
    tool: 'caddy',
    refusal: 405,
    configure: configureCaddy,
    tries: ['validate', '--adapter', 'caddyfile', '--config', 'FILE'],
    runs: ['run', '--adapter', 'caddyfile', '--config', 'FILE'],
  },
  {
    host: 'lighttpd',
    tool: 'lighttpd',
    refusal: 405,
    configure: configureLighttpd,
    tries: ['-tt', '-f', 'FILE'],
    runs: ['-D', '-f', 'FILE'],
  },
]
