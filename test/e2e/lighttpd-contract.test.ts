import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rawRequest } from '../contract/raw-request.ts'
import { type RunningServer, servingContract } from '../contract/serving.ts'
import type { ServingException } from '../contract/serving-expectations.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { startLighttpdOn } from './support/lighttpd.ts'
import { findFreePort } from './support/nginx.ts'
import { describeWith } from './support/suites.ts'

/** Both ways to use what is emitted: the whole server, and the snippet in servers of the user's own that do all they can to harm a registry. */
const FORMS: Readonly<Record<string, Form>> = {
  'lighttpd, the server': {
    format: root => `include "${root}/lighttpd/lighttpd.conf"\nserver.bind = "127.0.0.1"\n`,
    exceptions: ['blob-links-followed'],
  },
  'lighttpd, the snippet in a server that compresses, denies, labels and has pages of its own': {
    format: (root, port) => ownServer(root, port, HARM),
    exceptions: ['blob-links-followed', 'control-characters-refused'],
  },
  'lighttpd, the snippet in a server that rewrites every path': {
    format: (root, port) => ownServer(root, port, REWRITES),
    exceptions: ['blob-links-followed', 'control-characters-refused'],
  },
}

interface Form {
  readonly format: (root: string, port: number) => string
  readonly exceptions: readonly ServingException[]
}

const HARM = `
index-file.names = ( "index.php", "index.html", "index.json", "latest" )
dir-listing.activate = "enable"
mimetype.assign = (
  ".gz" => "application/x-gzip", ".html" => "application/json", ".js" => "text/javascript; charset=utf-8",
  "" => "text/plain; charset=utf-8"
)
static-file.exclude-extensions = ( ".php", ".js", "latest" )
static-file.etags = "disable"
server.range-requests = "disable"
$HTTP["url"] =~ "^/v2(?:/|$)" {
  url.access-deny = ( "~", ".inc", ".fr", ".gz", ".html", "1" )
  server.error-intercept = "enable"
  setenv.set-response-header = (
    "Content-Type" => "text/html", "X-Own" => "yes", "Cache-Control" => "public, immutable", "ETag" => "\\"own\\"",
    "Docker-Content-Digest" => "sha256:own", "Last-Modified" => "Thu, 01 Jan 1970 00:00:00 GMT"
  )
  setenv.add-response-header = ( "Vary" => "Accept", "Content-Language" => "fr" )
  expire.url = ( "" => "access plus 1 years" )
}
deflate.mimetypes = ( "" )
deflate.allowed-encodings = ( "gzip", "deflate" )
fastcgi.server = ( ".php" => (( "host" => "127.0.0.1", "port" => 1 )) )
cgi.assign = ( ".cgi" => "/bin/false" )
ssi.extension = ( ".shtml", "latest" )
`

const REWRITES = `
url.rewrite-once = ( "^/v2/(.*)/manifests/(.*)$" => "/index.php?path=$1&file=$2", "^/v2/(.*)/blobs/(.*)$" => "/$2" )
url.rewrite-if-not-file = ( "^/(.*)$" => "/own.html" )
server.error-handler-404 = "/own.html"
mimetype.assign = ( ".html" => "application/json" )
`

/** All that is no path of the registry: the contract asks that nothing is there. */
const OWN_PAGE = `
if lighty.r.req_attr["request.orig-uri"]:find("^/v2[/?]") or lighty.r.req_attr["request.orig-uri"] == "/v2" then return 0 end
lighty.r.resp_header["Content-Type"] = "application/json"
lighty.r.resp_body:set({ '{"errors":[{"code":"OWN","message":"the page of the user"}]}' })
return 404
`

/** What Debian's lighttpd.conf says, with more modules; the snippet stands in a virtual host. */
function ownServer(root: string, port: number, more: string): string {
  return `
server.modules = (
  "mod_indexfile", "mod_rewrite", "mod_redirect", "mod_alias", "mod_access", "mod_setenv", "mod_expire", "mod_deflate",
  "mod_fastcgi", "mod_cgi", "mod_ssi", "mod_magnet", "mod_dirlisting", "mod_staticfile"
)
server.port = ${port}
server.bind = "127.0.0.1"
server.document-root = "${root}"
server.errorfile-prefix = "${dirname(root)}/own/"
server.feature-flags += ( "server.h2proto" => "enable", "server.h2c" => "enable" )
server.http-parseopts = (
  "url-normalize-unreserved" => "enable", "url-normalize-required" => "enable", "url-ctrls-reject" => "enable",
  "url-path-2f-decode" => "enable", "url-path-dotseg-remove" => "enable"
)
magnet.attract-physical-path-to = ( "${dirname(root)}/own/page.lua" )
${more}
$HTTP["host"] =~ "." {
  include "${root}/lighttpd/snippets/registry.conf"
}
`
}

describeWith(['lighttpd'], 'lighttpd', () => {
  for (const [name, { format, exceptions }] of Object.entries(FORMS))
    servingContract(name, root => start(root, format), { exceptions })

  it('does not answer who has no password, wherever mod_auth stands', async () => {
    const folder = await makeTemporaryFolder()
    const root = join(folder, 'root')
    await writeTree(root, 'app', { latest: await makeImage() })
    writeFileSync(join(folder, 'passwords'), 'somebody:secret\n')
    const protect = (root: string, port: number): string => `
server.modules = ( "mod_magnet", "mod_auth", "mod_authn_file" )
server.port = ${port}
server.bind = "127.0.0.1"
server.document-root = "${root}"
auth.backend = "plain"
auth.backend.plain.userfile = "${folder}/passwords"
include "${root}/lighttpd/snippets/registry.conf"
$REQUEST_HEADER["User-Agent"] != "node" {
  auth.require = ( "/v2" => ( "method" => "basic", "realm" => "own", "require" => "valid-user" ) )
}
`
    const server = await start(root, protect)
    try {
      const ask = (password: string): Promise<number> =>
        rawRequest(server.url, {
          path: '/v2/app/manifests/latest',
          headers: { Authorization: `Basic ${Buffer.from(`somebody:${password}`).toString('base64')}` },
        }).then(({ status }) => status)
      expect(await ask('secret')).toBe(200)
      expect(await ask('guessed')).toBe(401)
      const asked = await rawRequest(server.url, { path: '/v2/' })
      expect([asked.status, asked.header('www-authenticate')]).toEqual([401, expect.stringContaining('Basic')])
    } finally {
      await server.close()
    }
  })
})

/** Starts a real lighttpd on what `emit` wrote. */
async function start(root: string, format: Form['format']): Promise<RunningServer> {
  const folder = dirname(root)
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'own'))
  for (const status of [400, 404, 405, 416])
    writeFileSync(join(folder, 'own', `${status}.html`), '{"errors":[{"code":"OWN","message":"the page of the user"}]}')
  writeFileSync(join(folder, 'own/page.lua'), OWN_PAGE)
  writeFileSync(join(root, 'own.html'), 'the page of the user')
  const port = await findFreePort()
  await emitHosts(openTree(root), [{ name: 'lighttpd', options: { 'web-root': root, port: String(port) } }])
  return startLighttpdOn(port, format(root, port))
}
