import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { htaccess } from '../../src/emit/htaccess.ts'
import { DOCKER_MANIFEST, JSON_TYPE, OCI_INDEX } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { formatTagsList } from '../../src/tree/documents.ts'
import { headersOf, type Route } from '../../src/tree/route.ts'
import { FAMILIES } from '../../src/tree/routes.ts'
import { route, routeTable, textOf } from '../contract/emitter-routes.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const SHA256 = `sha256:${'a'.repeat(64)}`
const SHA512 = `sha512:${'b'.repeat(128)}`
const WIDGET = 'application/vnd.example.widget.v3+json'

/** Words that any Apache knows, since they are its core's. */
const CORE_WORDS = ['ErrorDocument', '<IfModule', '</IfModule>']
/** What may stand in a file that only `AllowOverride FileInfo Indexes` is granted to, and where it must stand. */
const WORDS_OF: Readonly<Record<string, readonly string[]>> = {
  'mod_rewrite.c': ['RewriteEngine', 'RewriteOptions', 'RewriteCond', 'RewriteRule'],
  'mod_headers.c': ['Header', 'RequestHeader'],
  '!mod_headers.c': ['FileETag'],
  'mod_setenvif.c': ['SetEnvIf'],
  'mod_dir.c': ['DirectorySlash'],
  'mod_expires.c': ['ExpiresActive'],
  'mod_alias.c': ['RedirectMatch'],
  'mod_authz_core.c': ['Require'],
}

describe('.htaccess', () => {
  test('names what a module gives only where that module is there, in lines that Apache reads whole', async () => {
    expectGuarded(await emitted())
    for (const text of texts(tagsRoute(manyTags(3000)), route('app', 'tag', 'x', WIDGET, SHA256))) expectGuarded(text)
  })

  test('has every header of the route table, and the digest where it belongs', async () => {
    const text = await emitted()
    for (const { headers } of FAMILIES) {
      for (const [name, value] of Object.entries(headers)) {
        if (name === 'Content-Type') continue
        const printed = value.replace('{digest}', '%{REGISTRISH_DIGEST}e').replaceAll('"', '\\"')
        expect(text).toContain(`Header always set ${name} "${printed}" `)
      }
    }
  })

  test("a file of one's own is left alone", async () => {
    const root = await makeTemporaryFolder()
    mkdirSync(join(root, 'v2'))
    writeFileSync(join(root, '.htaccess'), 'Options -Indexes\n')
    await expect(emitHosts(openTree(root), [{ name: 'htaccess' }])).rejects.toThrow(
      expect.objectContaining({ code: 'conflict' }),
    )
    expect(readFileSync(join(root, '.htaccess'), 'utf8')).toBe('Options -Indexes\n')
  })
})

describe('links of .htaccess', () => {
  test('a tag is a folder with a rule that leads to its digest', () => {
    const folder = 'htaccess/links/app:'
    const named = `${folder}/application:vnd.oci.image.index.v1+json/${SHA256}`
    const [link, entry, ...more] = links(route('app', 'tag', '1.0', OCI_INDEX, SHA256))
    expect(link).toEqual({ type: 'link', path: named, to: 'v2/app/manifests/1.0', digest: SHA256 })
    expect(entry).toEqual({
      type: 'text',
      path: `${folder}/1.0/.htaccess`,
      text: expect.stringContaining(`RewriteRule ^ /${named} [L,`),
    })
    expect(more).toEqual([])
  })

  test('a digest of a usual type needs no more than its folder, of another a rule', () => {
    expect(links(route('a/b', 'manifest', SHA512, DOCKER_MANIFEST, SHA512))).toEqual([
      expect.objectContaining({
        path: `htaccess/links/a/b:/application:vnd.docker.distribution.manifest.v2+json/${SHA512}`,
      }),
    ])
    expect(links(route('app', 'manifest', SHA256, WIDGET, SHA256)).at(-1)).toMatchObject({
      type: 'text',
      path: `htaccess/links/app:/${SHA256}/.htaccess`,
    })
  })

  test('a blob has none', () => {
    expect(links(route('app', 'blob', SHA256, 'application/octet-stream', SHA256))).toEqual([])
  })

  test('the list of tags is there whole, in parts', () => {
    const tags = manyTags(3000)
    const [text = ''] = texts(tagsRoute(tags))
    const parts = [...text.matchAll(/RewriteCond '[^ ]+ ("[^']*)'/g)].map(([, part]) => part)
    expect(parts.length).toBeGreaterThan(5)
    expect(JSON.parse(`[${parts.join('')}]`)).toEqual(tags)
  })

  test.for([80_000, 200_000])('the line that joins the parts of %i tags can be read by Apache', count => {
    const [text = ''] = texts(
      tagsRoute(Array.from({ length: count }, (_, position) => `tag-${position}-${'y'.repeat(22)}`)),
    )
    const [line = ''] = /^ *ErrorDocument .*$/m.exec(text) ?? []
    expect(line.length).toBeGreaterThan(3500)
    expect(line.length).toBeLessThan(8192 - 16 - 255)
  })

  test.for([[['0']], [[]]])('a list of %j is cut too', ([tags = []]) => {
    expect(texts(tagsRoute(tags))).toHaveLength(1)
  })
})

/** Walks through sections as Apache does. */
function expectGuarded(text: string): void {
  const open: string[] = []
  for (const line of text.split('\n').map(part => part.trim())) {
    expect(Buffer.byteLength(line)).toBeLessThan(8192 - 16)
    const [word = ''] = line.split(/\s/)
    if (line === '' || line.startsWith('#')) continue
    if (word === '<IfModule') open.push(line.slice('<IfModule '.length, -1))
    else if (word === '</IfModule>') open.pop()
    if (!CORE_WORDS.includes(word))
      expect([word, WORDS_OF[open.at(-1) ?? '']]).toEqual([word, expect.arrayContaining([word])])
  }
  expect(open).toEqual([])
}

async function emitted(): Promise<string> {
  let text = ''
  for await (const { chunks } of htaccess.emit(routeTable([]), {})) text += await textOf(chunks)
  return text
}

function links(entry: Route): readonly unknown[] {
  return [...(htaccess.farm?.links(entry) ?? [])]
}

function texts(...routes: readonly Route[]): readonly string[] {
  return routes.flatMap(entry =>
    [...(htaccess.farm?.links(entry) ?? [])].flatMap(link => (link.type === 'text' ? [link.text] : [])),
  )
}

function tagsRoute(tags: readonly string[]): Route {
  const bytes = formatTagsList('app', tags)
  const common = { kind: 'tags', repository: 'app', mediaType: JSON_TYPE, cache: 'short' } as const
  return {
    ...common,
    path: '/v2/app/tags/list',
    size: bytes.length,
    body: { bytes },
    headers: headersOf('tags', JSON_TYPE),
  }
}

function manyTags(count: number): readonly string[] {
  return Array.from({ length: count }, (_, position) => `tag-${position}-${'y'.repeat(position % 90)}`)
}
