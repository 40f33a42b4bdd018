import { describe, expect, onTestFinished, test } from 'vitest'
import { examineRegistry } from '../../src/doctor/examine.ts'
import { parseManifest } from '../../src/oci/manifest.ts'
import type { Graph } from '../support/made-images.ts'
import { json } from '../support/registry-content.ts'
import { fails, only } from '../support/registry-faults.ts'
import { answersRight } from '../support/right-answers.ts'
import { type Hook, startTestRegistry } from '../support/test-registry.ts'
import { childrenOf } from '../support/wrong-hooks.ts'
import { makeWrongRegistryImages } from '../support/wrong-registry-images.ts'

/* What is there in part only. */

test('an index of which one platform is there is a caveat, and that platform is looked at', async () => {
  const { multi } = await makeWrongRegistryImages('part')
  const host = await start(only(new RegExp(commonOf(multi)), fails(404)))
  const { checks, clients } = await examineRegistry(`${host}/multi:latest`)
  expect(checks.find(({ check }) => check === 'manifest-bytes')).toMatchObject({
    outcome: 'caveat',
    text: expect.stringContaining('linux/amd64'),
  })
  expect(checks.find(({ check }) => check === 'child-type')?.outcome).toBe('passed')
  expect(clients.filter(({ verdict }) => verdict === 'fails')).toEqual([])
})

test('an index of which no platform is there fails', async () => {
  const { multi } = await makeWrongRegistryImages('part')
  const host = await start(only(childrenOf(multi), fails(404)))
  const { checks } = await examineRegistry(`${host}/multi:latest`)
  expect(checks.find(({ check }) => check === 'manifest-bytes')?.outcome).toBe('failed')
})

test('an image that is not there: its name is to be checked', async () => {
  const host = await start((request, next) => next(request))
  const { checks } = await examineRegistry(`${host}/nope:1`)
  const failed = checks.filter(({ outcome }) => outcome === 'failed')
  expect(failed).toMatchObject([{ check: 'manifest-bytes', fix: expect.stringContaining('check the name') }])
  expect(checks.find(({ check }) => check === 'tags-list')).toMatchObject({ outcome: 'skipped' })
  const moved = await examineRegistry(`${host}/multi:nope`)
  expect(moved.checks.find(({ check }) => check === 'tags-list')).toMatchObject({ outcome: 'passed' })
})

test('a host without a catalogue has no image to try', async () => {
  const host = await start(only(/_catalog/, fails(404)))
  const report = await examineRegistry(host)
  expect(report.image).toBeUndefined()
  const reasons = new Set(report.checks.flatMap(({ outcome, text }) => (outcome === 'skipped' ? [text] : [])))
  expect([...reasons]).toEqual(['no TLS is spoken', expect.stringContaining('host/name:tag')])
})

describe('of a catalogue, an image is tried', () => {
  test('though many of its repositories have lost all their tags', async () => {
    const gone = Array.from({ length: 15 }, (_, number) => `gone-${number}`)
    const host = await start(lists([...gone, 'single'], { 'gone-1': null, 'gone-2': [] }))
    expect((await examineRegistry(host)).image).toBe('single:latest')
  })

  test('also where all tags look like names of files', async () => {
    const host = await start(lists(['multi'], { multi: ['1.0.gz'] }))
    expect((await examineRegistry(host)).image).toBe('multi:1.0.gz')
  })

  test('unless none of them has a tag', async () => {
    const host = await start(lists(['gone-1', 'gone-2'], { 'gone-1': null }))
    const { checks } = await examineRegistry(host)
    expect(checks.find(({ check }) => check === 'manifest-bytes')?.text).toContain('names repositories without tags')
  })
})

/** Gives a catalogue, and for some of its repositories lists of tags of its own. */
function lists(repositories: readonly string[], tags: Readonly<Record<string, readonly string[] | null>>): Hook {
  return (request, next) => {
    if (request.path === '/v2/_catalog') return json(200, { repositories })
    const name = /^\/v2\/(.+)\/tags\/list$/.exec(request.path)?.[1] ?? ''
    return Object.hasOwn(tags, name) ? json(200, { name, tags: tags[name] }) : next(request)
  }
}

/** The digest of the child for linux/amd64. */
function commonOf({ root, manifests }: Graph): string {
  const bytes = manifests.get(root.digest)
  const manifest = bytes === undefined ? undefined : parseManifest(bytes)
  const children = manifest?.kind === 'index' ? manifest.manifests : []
  const child = children.find(({ platform }) => platform?.architecture === 'amd64')
  if (child === undefined) throw new Error('no such child')
  return child.digest
}

async function start(hook: Hook): Promise<string> {
  const { repositories } = await makeWrongRegistryImages('part')
  const hooks = [hook]
  const registry = await startTestRegistry({ repositories, hooks, hook: answersRight(Object.keys(repositories)) })
  onTestFinished(registry.close)
  return registry.host
}
