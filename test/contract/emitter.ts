import { describe, expect, test } from 'vitest'
import type { Emitter } from '../../src/emit/emitter.ts'
import { formatMarker } from '../../src/emit/marker.ts'
import { isRegistrishError } from '../../src/errors.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Route, RouteTable } from '../../src/tree/route.ts'
import { emittedFiles, problemsOf, route, routeTable } from './emitter-routes.ts'

/** What breaks out of a quoted string, a line, a path or a shell word, somewhere. */
const INJECTIONS = [
  'a\nb',
  'a\rb',
  'a"b',
  "a'b",
  'a$b',
  'a`b',
  'a\\b',
  'a;b',
  'a{b',
  'a}b',
  'a b',
  'a\u0000b',
  '../../a',
  'a/../b',
  '',
]

/** What every emitter must do, whatever its host (design §5). */
export function emitterContract(emitter: Emitter): void {
  describe(`${emitter.name} keeps the emitter contract`, () => {
    const defaults = Object.fromEntries(emitter.options.map(option => [option.name, option.default]))

    test('the same table gives the same bytes', async () => {
      const first = await emittedFiles(emitter, sampleTable())
      expect(first.size).toBeGreaterThan(0)
      expect(await emittedFiles(emitter, sampleTable())).toEqual(first)
    })

    test('the files have different paths below the root, and the marker is the last of them', async () => {
      const paths: string[] = []
      for await (const { path } of emitter.emit(sampleTable(), defaults)) paths.push(path)
      expect(new Set(paths).size).toBe(paths.length)
      for (const path of paths) expect(path).toMatch(/^(?!\.\.?(?:\/|$))[^/]+(?:\/(?!\.\.?(?:\/|$))[^/]+)*$/)
      expect(paths.at(-1)).toBe(emitter.marker)
    })

    test('the first line is a comment of one line that names the host and every option', () => {
      const line = formatMarker(emitter, defaults)
      expect(line.startsWith(`${emitter.comment} registrish emit --host ${emitter.name}`)).toBe(true)
      expect(line).not.toMatch(/[\n\r]/)
      for (const { name } of emitter.options) expect(line).toContain(` --${name} `)
    })

    test('the defaults are values that the options accept, unchanged', () => {
      for (const option of emitter.options) expect(option.parse(option.default)).toBe(option.default)
    })

    test.for(INJECTIONS)('an option of %j is refused, or reaches no other place than its own', async text => {
      for (const option of emitter.options) {
        const value = parsedOrUndefined(() => option.parse(text))
        if (value === undefined) continue
        expect(value).not.toMatch(/[\n\r\0]/)
        await expect(emittedFiles(emitter, sampleTable(), { ...defaults, [option.name]: value })).resolves.toBeDefined()
      }
    })

    test('a table that follows the grammars has no problem', async () => {
      expect(await problemsOf(emitter, sampleRoutes())).toEqual([])
    })

    test.for(Object.entries(BROKEN))('refuses %s', async ([, broken]) => {
      const found = await problemsOf(emitter, [...sampleRoutes(), broken])
      expect(found).toEqual([expect.objectContaining({ level: 'refuse', code: 'name-invalid' })])
      expect(found[0]?.text).not.toMatch(/[\n\r]/)
    })

    if (emitter.farm !== undefined) {
      const { farm } = emitter
      test('the files do not depend on the content, which the links say', async () => {
        expect(await emittedFiles(emitter, sampleTable())).toEqual(await emittedFiles(emitter, routeTable([])))
      })

      test('links of a repository stand in its own folder, symbolic ones after what they point to', () => {
        const folders = ['app', 'app/x', 'a', 'application'].map(name => farm.folderOf(name))
        for (const folder of folders) {
          expect(folder.startsWith(`${farm.folder}/`)).toBe(true)
          expect(folders.filter(other => `${other}/`.startsWith(`${folder}/`))).toEqual([folder])
        }
        for (const entry of sampleRoutes()) {
          const placed = new Set<string>()
          for (const link of farm.links(entry)) {
            expect(link.path.startsWith(`${farm.folderOf(entry.repository ?? '')}/`)).toBe(true)
            if (link.type === 'symlink') expect(placed).toContain(link.to)
            if (link.type === 'link') expect(link.to).toMatch(/^v2\//)
            placed.add(link.path)
          }
        }
      })
    }

    test('says where its host is documented', () => {
      expect(emitter.documentation).toMatch(/^https:\/\//)
      for (const limit of Object.values(emitter.limits)) expect(limit).toBeGreaterThan(0)
    })
  })
}

const DIGEST = `sha256:${'0'.repeat(64)}`

const BROKEN: Readonly<Record<string, Route>> = {
  'a tag that ends a line': route('app', 'tag', 'x\ny', OCI_MANIFEST, DIGEST),
  'a tag that ends a string': route('app', 'tag', 'x"y', OCI_MANIFEST, DIGEST),
  'a repository that leaves its folder': route('../../etc', 'tag', 'x', OCI_MANIFEST, DIGEST),
  'a repository that is a variable': route('a$b', 'tag', 'x', OCI_MANIFEST, DIGEST),
  'a repository named like a folder of the tree': route('a/manifests/b', 'tag', 'x', OCI_MANIFEST, DIGEST),
  'a digest that is none': route('app', 'manifest', 'sha256:x', OCI_MANIFEST, DIGEST),
  'a digest of another algorithm': route('app', 'tag', 'x', OCI_MANIFEST, `md5:${'0'.repeat(32)}`),
  'a media type with a parameter': route('app', 'tag', 'x', 'text/html; charset=x', DIGEST),
  'a media type that ends a line': route('app', 'tag', 'x', 'a/b\nadd_header', DIGEST),
  'a media type that is a path': route('app', 'tag', 'x', '../b', DIGEST),
}

function sampleRoutes(): readonly Route[] {
  return [
    route('app', 'tag', 'latest', OCI_INDEX, DIGEST),
    route('app', 'tag', '1.0.gz', 'application/vnd.example.widget.v3+json', DIGEST),
    route('app', 'manifest', DIGEST, OCI_INDEX, DIGEST),
    route(
      'app',
      'manifest',
      `sha512:${'1'.repeat(128)}`,
      'application/vnd.example.widget.v3+json',
      `sha512:${'1'.repeat(128)}`,
    ),
    route('app', 'blob', DIGEST, 'application/octet-stream', DIGEST),
    route('we.ird/x__y-z', 'tag', 'rc1', OCI_MANIFEST, DIGEST),
  ]
}

function sampleTable(): RouteTable {
  return routeTable(sampleRoutes())
}

function parsedOrUndefined(parse: () => string): string | undefined {
  try {
    return parse()
  } catch (error) {
    if (isRegistrishError(error, 'usage')) return undefined
    throw error
  }
}
