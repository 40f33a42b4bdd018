import { describe, expect, test } from 'vitest'
import { caddy } from '../../src/emit/caddy.ts'
import { formatRegistry, formatSite } from '../../src/emit/caddy-config.ts'
import { DOCKER_MANIFEST, OCI_INDEX } from '../../src/oci/media-types.ts'
import { FAMILIES } from '../../src/tree/routes.ts'
import { route, routeTable, textOf } from '../contract/emitter-routes.ts'

const SHA256 = `sha256:${'a'.repeat(64)}`
const SHA512 = `sha512:${'b'.repeat(128)}`
const LONG = `application/${'x'.repeat(127)}`

describe('the configuration of Caddy', () => {
  test('options reach it quoted, and only where they belong', async () => {
    const { site, registry } = await emit({ 'web-root': '/srv/with space/(x);@', port: '80' })
    expect(site).toContain('\n:80 {\n')
    expect(site).not.toContain('with space')
    expect(registry.split('with space').length).toBe(registry.split('root `/srv/with space/(x);@`\n').length)
  })

  test('every block that is opened is closed', () => {
    for (const text of [formatSite('5555'), formatRegistry(FAMILIES, '/srv')]) {
      const words = text.replace(/`[^`]*`|#.*/g, '')
      expect(words.match(/\{$/gm)?.length).toBe(words.match(/^\t*\}$/gm)?.length)
    }
  })

  test('no environment variable is asked for, and no matcher can be one of the user', () => {
    const text = formatRegistry(FAMILIES, '/srv')
    expect(text).not.toContain('{$')
    for (const [name] of text.matchAll(/(?<=\s)@[a-z_]+/g)) expect(name).toMatch(/^@registrish/)
  })

  test('a family that the host cannot print stops everything', () => {
    const priced = (value: string) =>
      FAMILIES.map(each => ({ ...each, headers: { ...each.headers, 'X-Price': value } }))
    expect(() => formatRegistry(priced('{env.HOME}'), '/srv')).toThrow(/X-Price/)
    expect(() => formatRegistry(priced('5`'), '/srv')).toThrow(/quoted/)
    expect(() => formatRegistry(FAMILIES.slice(1), '/srv')).toThrow(/blob/)
  })

  test('the site is this', () => {
    expect(formatSite('5555')).toMatchInlineSnapshot(`
      ":5555 {
      	import snippets/registry.caddy

      	# Nothing but the registry is served, whatever else the web root holds.
      	handle {
      		header {
      			Content-Type application/json
      			Cache-Control no-store
      			Docker-Distribution-API-Version registry/2.0
      			X-Content-Type-Options nosniff
      		}
      		respond \`{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}\` 404
      	}

      	# What went away while it was asked for, or may not be read.
      	handle_errors {
      		header {
      			Content-Type application/json
      			Cache-Control no-store
      			Docker-Distribution-API-Version registry/2.0
      			X-Content-Type-Options nosniff
      		}
      		respond \`{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}\` 404
      	}
      }
      "
    `)
  })

  test('what a tag is served by is this', () => {
    const text = formatRegistry(FAMILIES, '/srv/registrish')
    expect(text.slice(0, text.indexOf('@registrish_manifest '))).toMatchInlineSnapshot(`
      "@registrish vars_regexp {http.request.orig_uri.path} ^/v2(?:/|$)
      # A digest is that of the bytes as they are: nothing may recode them.
      request_header @registrish -Accept-Encoding
      handle @registrish {
      	route {
      		@registrish_known file {
      			root \`/srv/registrish\`
      			try_files /caddy/links/{http.regexp.registrish.1}:/
      		}
      		@registrish_write not method GET HEAD
      		route @registrish_write {
      			header {
      				Content-Type application/json
      				Cache-Control no-store
      				Docker-Distribution-API-Version registry/2.0
      				X-Content-Type-Options nosniff
      				Allow \`GET, HEAD\`
      			}
      			respond \`{"errors":[{"code":"UNSUPPORTED","message":"the operation is unsupported: this registry is read-only"}]}\` 405
      		}

      		# What the site rewrote is asked for as it came.
      		@registrish_moved not vars {http.request.orig_uri.path} {http.request.uri.path}
      		rewrite @registrish_moved {http.request.orig_uri.path}

      		@registrish_tag path_regexp registrish \`^/v2/([a-z0-9][a-z0-9._/-]*)/manifests/([A-Za-z0-9_][A-Za-z0-9._-]{0,127})$\`
      		route @registrish_tag {
      			# While a tag moves its folder holds two files; what was listed may be gone a moment later: hence the second look.
      			@registrish_entry file {
      				root \`/srv/registrish\`
      				try_files /caddy/links/{http.regexp.registrish.1}:/{http.regexp.registrish.2}/[^.]* /caddy/links/{http.regexp.registrish.1}:/{http.regexp.registrish.2}/[^.]*
      			}
      			route @registrish_entry {
      				@registrish_usual vars_regexp registrish_entry {http.matchers.file.relative} \`/([^/:]+):([^/:]+):(sha[^/]+)$\`
      				route @registrish_usual {
      					header {
      						Content-Type \`{http.regexp.registrish_entry.1}/{http.regexp.registrish_entry.2}\`
      						Docker-Content-Digest \`{http.regexp.registrish_entry.3}\`
      						ETag \`"{http.regexp.registrish_entry.3}"\`
      						Cache-Control \`public, max-age=60, no-transform\`
      						Docker-Distribution-API-Version \`registry/2.0\`
      						X-Content-Type-Options \`nosniff\`
      						-Accept-Ranges
      						-Last-Modified
      						defer
      					}
      					@registrish_conditional header If-None-Match *
      					route @registrish_conditional {
      						@registrish_same header If-None-Match \`*"{http.regexp.registrish_entry.3}"*\`
      						respond @registrish_same 304
      						@registrish_any header_regexp If-None-Match ^\\*$
      						respond @registrish_any 304
      					}
      					request_header -Range
      					rewrite * /caddy/links/{http.regexp.registrish.1}:/{http.regexp.registrish_entry.1}:{http.regexp.registrish_entry.2}/{http.regexp.registrish_entry.3}
      					request_header -If-*
      					file_server {
      						root \`/srv/registrish\`
      						disable_canonical_uris
      					}
      				}
      				@registrish_unusual vars_regexp registrish_digest {http.matchers.file.relative} \`/(sha[^/]+)$\`
      				route @registrish_unusual {
      					@registrish_file file {
      						root \`/srv/registrish\`
      						try_files /caddy/links/{http.regexp.registrish.1}:/:{http.regexp.registrish_digest.1}/[^.]*
      					}
      					route @registrish_file {
      						@registrish_type vars_regexp registrish_type {http.matchers.file.relative} \`/([^/:]+):([^/:]+)(?:/sha[^/]*)?$\`
      						route @registrish_type {
      							header {
      								Content-Type \`{http.regexp.registrish_type.1}/{http.regexp.registrish_type.2}\`
      								Docker-Content-Digest \`{http.regexp.registrish_digest.1}\`
      								ETag \`"{http.regexp.registrish_digest.1}"\`
      								Cache-Control \`public, max-age=60, no-transform\`
      								Docker-Distribution-API-Version \`registry/2.0\`
      								X-Content-Type-Options \`nosniff\`
      								-Accept-Ranges
      								-Last-Modified
      								defer
      							}
      							@registrish_conditional header If-None-Match *
      							route @registrish_conditional {
      								@registrish_same header If-None-Match \`*"{http.regexp.registrish_digest.1}"*\`
      								respond @registrish_same 304
      								@registrish_any header_regexp If-None-Match ^\\*$
      								respond @registrish_any 304
      							}
      							request_header -Range
      							rewrite * {http.matchers.file.relative}
      							request_header -If-*
      							file_server {
      								root \`/srv/registrish\`
      								disable_canonical_uris
      							}
      						}
      					}
      				}
      			}
      		}

      		"
    `)
  })
})

describe('links of Caddy', () => {
  test('a tag is a folder with one link that says what the tag is', () => {
    expect(links(route('app', 'tag', '1.0', OCI_INDEX, SHA256))).toEqual([
      {
        type: 'link',
        path: `caddy/links/app:/application:vnd.oci.image.index.v1+json/${SHA256}`,
        to: 'v2/app/manifests/1.0',
        digest: SHA256,
      },
      {
        type: 'link',
        path: `caddy/links/app:/1.0/application:vnd.oci.image.index.v1+json:${SHA256}`,
        to: 'v2/app/manifests/1.0',
        digest: SHA256,
      },
    ])
  })

  test('a digest of a usual type stands in the folder of its type', () => {
    expect(links(route('a/b', 'manifest', SHA512, DOCKER_MANIFEST, SHA512))).toEqual([
      {
        type: 'link',
        path: `caddy/links/a/b:/application:vnd.docker.distribution.manifest.v2+json/${SHA512}`,
        to: `v2/a/b/manifests/${SHA512}`,
        digest: SHA512,
      },
    ])
  })

  test('a digest of another type stands in a folder of its own', () => {
    expect(links(route('app', 'tag', 'x', LONG, SHA512))).toEqual([
      expect.objectContaining({ path: `caddy/links/app:/:${SHA512}/application:${'x'.repeat(127)}` }),
      expect.objectContaining({ path: `caddy/links/app:/x/${SHA512}` }),
    ])
  })

  test('no name is longer than a file system allows', () => {
    const longest = `${'y'.repeat(127)}/${'x'.repeat(127)}`
    for (const mediaType of [longest, OCI_INDEX, DOCKER_MANIFEST]) {
      for (const link of links(route('app', 'tag', 't'.repeat(128), mediaType, SHA512)))
        for (const part of link.path.split('/')) expect(part.length).toBeLessThanOrEqual(255)
    }
  })

  test('a blob has none', () => {
    expect(links(route('app', 'blob', SHA256, 'application/octet-stream', SHA256))).toEqual([])
  })
})

function links(entry: Parameters<NonNullable<typeof caddy.farm>['links']>[0]): readonly { readonly path: string }[] {
  return [...(caddy.farm?.links(entry) ?? [])]
}

async function emit(options: Readonly<Record<string, string>>): Promise<{ site: string; registry: string }> {
  const files = new Map<string, string>()
  for await (const { path, chunks } of caddy.emit(routeTable([]), options)) files.set(path, await textOf(chunks))
  return { site: files.get(caddy.marker) ?? '', registry: files.get('caddy/snippets/registry.caddy') ?? '' }
}
