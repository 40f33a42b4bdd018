import { expect, test } from 'vitest'
import { nginx } from '../../src/emit/nginx.ts'
import { listTags, TAG_LIST } from '../../src/emit/nginx-map.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import type { Route, RouteTable } from '../../src/tree/route.ts'
import { route, routeTable, textOf } from '../contract/emitter-routes.ts'

const SHA256 = `sha256:${'a'.repeat(64)}`
const INDEX = 'application:vnd.oci.image.index.v1+json'

test('a line says what a tag names', async () => {
  expect(await lines([tag('app', '1.0'), route('app', 'manifest', SHA256, OCI_INDEX, SHA256)])).toEqual([
    `app/1.0 "1.0=${INDEX}/${SHA256}";`,
  ])
})

test('of tags that differ by case only one is listed, of each repository', async () => {
  const tags = [tag('app', 'RC1'), tag('app', 'Rc1'), tag('app', 'rc1'), tag('app', 'rc2'), tag('b', 'rc1')]
  expect((await lines(tags)).map(line => line.split(' ')[0])).toEqual(['app/RC1', 'app/rc2', 'b/rc1'])
})

test('a name is listed as long as nginx takes it without being told', async () => {
  const tags = [42, 43].map(length => tag('app', 'x'.repeat(length)))
  expect((await lines(tags)).map(line => line.split(' ')[0])).toEqual([`app/${'x'.repeat(42)}`])
})

test('a media type that nginx would take for a variable is not listed', async () => {
  expect(await lines([route('app', 'tag', '1', 'application/a$b', SHA256)])).toEqual([])
})

test('only the map form has the list', async () => {
  const table = routeTable([tag('app', '1.0')])
  expect(await paths(table, {})).not.toContain(TAG_LIST)
  expect(await paths(table, { form: 'map' })).toContain(TAG_LIST)
})

test('the list is no configuration file that a server might read by itself', () => {
  expect(TAG_LIST).not.toMatch(/\.conf$|^nginx\/[^/]+$/)
})

test('the list is read when it is written, tag by tag', async () => {
  let read = 0
  const table: RouteTable = {
    families: [],
    async *routes() {
      for (; ; read += 1) yield tag('app', `t${read}`)
    },
  }
  const chunks = listTags(table)
  await chunks.next()
  await chunks.next()
  expect(read).toBe(1)
  await chunks.return(undefined)
})

function tag(repository: string, name: string): Route {
  return route(repository, 'tag', name, OCI_INDEX, SHA256)
}

async function lines(routes: readonly Route[]): Promise<readonly string[]> {
  const text = await textOf(listTags(routeTable(routes)))
  return text.split('\n').filter(line => line !== '')
}

async function paths(table: RouteTable, options: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { path } of nginx.emit(table, options)) found.push(path)
  return found
}
