import { expect, onTestFinished, test } from 'vitest'
import { examineRegistry } from '../../src/doctor/examine.ts'
import { parseManifest } from '../../src/oci/manifest.ts'
import type { Graph } from '../support/made-images.ts'
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

test('a host without a catalogue has no image to try', async () => {
  const host = await start(only(/_catalog/, fails(404)))
  const report = await examineRegistry(host)
  expect(report.image).toBeUndefined()
  expect(report.checks.find(({ check }) => check === 'manifest-bytes')?.text).toContain('host/name:tag')
})

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
