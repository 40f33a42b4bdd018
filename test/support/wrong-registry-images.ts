import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeFallbackIndex,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  makeRaw,
  withReferrers,
} from './made-images.ts'
import { makeLayer } from './made-layers.ts'

/** What a wrong registry holds: repository → tag → image. */
export interface WrongRegistryImages {
  readonly repositories: Readonly<Record<string, Readonly<Record<string, Graph>>>>
  /** The index of two platforms at `multi:latest` and `multi:1.0.gz`; an artifact refers to it. */
  readonly multi: Graph
  /** Another index of the same images, as long: a valid manifest of another digest, which is not there. */
  readonly other: Graph
  /** The image at `single:latest`. */
  readonly single: Graph
}

/** Makes the images; those of another seed share no blob with them, so that no client knows them from before. */
export async function makeWrongRegistryImages(seed: string): Promise<WrongRegistryImages> {
  const index = await makeMultiPlatform({ seed, layers: 2 })
  const artifact = makeArtifact({ subject: index, payload: `a note on ${seed}`, annotations: { seed } })
  const multi = withReferrers(index, artifact)
  const single = await makeImage({ seed: `${seed}-single` })
  const images = ['linux/amd64', 'linux/arm64'].map(async platform => makeImage({ seed, platform, layers: 2 }))
  return {
    multi,
    single,
    other: makeIndex((await Promise.all(images)).toReversed()),
    repositories: {
      multi: { latest: multi, '1.0.gz': multi, [digestTag(multi.root.digest)]: makeFallbackIndex([artifact]) },
      single: { latest: single },
      'charts/hello': { '1.0.0': await makeChart(seed) },
    },
  }
}

/** Makes a chart as helm pushes it: https://helm.sh/docs/topics/registries/#helm-chart-manifest */
async function makeChart(seed: string): Promise<Graph> {
  const about = { apiVersion: 'v2', name: 'hello', version: '1.0.0', description: seed }
  const config = new TextEncoder().encode(JSON.stringify(about))
  const { bytes } = await makeLayer([{ name: 'hello/Chart.yaml', content: JSON.stringify(about) }])
  const describe = (mediaType: string, content: Uint8Array): object => {
    return { mediaType, digest: digestOf(content), size: content.length }
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: describe('application/vnd.cncf.helm.config.v1+json', config),
    layers: [describe('application/vnd.cncf.helm.chart.content.v1.tar+gzip', bytes)],
  }
  return makeRaw(OCI_MANIFEST, JSON.stringify(manifest), [config, bytes])
}
