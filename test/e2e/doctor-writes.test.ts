import { readdir } from 'node:fs/promises'
import { expect, it, onTestFinished } from 'vitest'
import { examineRegistry } from '../../src/doctor/examine.ts'
import { manifestTypes, repositoryWriter } from './support/registry-writer.ts'
import { describeWith } from './support/suites.ts'
import { startUpstream, upstreamNeeds } from './support/upstream.ts'

describeWith(upstreamNeeds, 'doctor', () => {
  it.each(['app:latest', 'app', 'app:missing'])(
    'leaves nothing behind in a registry that takes pushes, asked for %s',
    async image => {
      const registry = await startUpstream()
      onTestFinished(registry.stop)
      const { putBlob, putManifest } = repositoryWriter(registry.url, 'app')
      const config = await putBlob('{}', 'application/vnd.oci.image.config.v1+json')
      const layer = await putBlob('a layer of some bytes', 'application/vnd.oci.image.layer.v1.tar')
      const mediaType = manifestTypes.ociManifest
      await putManifest({ schemaVersion: 2, mediaType, config, layers: [layer] }, { mediaType, tag: 'latest' })
      const before = await readdir(registry.dataFolder, { recursive: true })
      const mark = await registry.mark()

      const { checks } = await examineRegistry(`${registry.host}/${image}`)

      expect((await registry.requestsSince(mark)).map(({ method }) => method)).toContain('POST')
      expect((await readdir(registry.dataFolder, { recursive: true })).toSorted()).toEqual(before.toSorted())
      expect(checks.find(({ check }) => check === 'write')).toMatchObject({ outcome: 'passed' })
    },
  )
})
