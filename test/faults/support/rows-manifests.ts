import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { type Graph, makeImage, makeIndex, makeRaw, rootBytes } from '../../support/made-images.ts'
import { only, sendsHeaders } from '../../support/registry-faults.ts'
import type { Refusal, Rows } from './judge-row.ts'
import { ofHead, ofManifest } from './upstream-faults.ts'
import type { World } from './upstream-world.ts'

const PUSH_AGAIN = /pushed again/
const contradiction: Refusal = { code: 'manifest-invalid', hint: PUSH_AGAIN }
const bothKinds: Refusal = { ...contradiction, message: /both "manifests" and "/ }

/** The good index with more members, which the upstream serves as `mediaType`. */
function changed({ good }: World, members: object, mediaType = OCI_INDEX): Graph {
  const body = JSON.parse(new TextDecoder().decode(rootBytes(good))) as object
  const graph = makeRaw(mediaType, JSON.stringify({ ...body, ...members }))
  return { ...graph, manifests: new Map([...good.manifests, ...graph.manifests]), blobs: good.blobs }
}

const [docker, noType] = [
  await makeImage({ seed: 'docker', docker: true }),
  await makeImage({ seed: 'none', noMediaType: true }),
]

/** Manifests that one client would take for one thing, and another for another, though their bytes hash right. */
export const MANIFEST_ROWS: Rows = {
  'a manifest with both manifests and layers': {
    image: world => changed(world, { layers: [] }),
    refused: bothKinds,
  },
  'a manifest with both manifests and config': {
    image: world => changed(world, { config: world.big }),
    refused: bothKinds,
  },
  'a manifest with both manifests and layers, called an image': {
    image: world => changed(world, { layers: [world.big], mediaType: OCI_MANIFEST }, OCI_MANIFEST),
    refused: bothKinds,
  },
  'a child with both manifests and layers': {
    image: world =>
      makeIndex([
        makeRaw(OCI_MANIFEST, JSON.stringify({ mediaType: OCI_MANIFEST, layers: [world.big], manifests: [] })),
      ]),
    refused: bothKinds,
  },
  'a body mediaType that is not that of its shape': {
    image: world => changed(world, { mediaType: OCI_MANIFEST }, OCI_MANIFEST),
    refused: { ...contradiction, message: /its shape is that of an index/ },
  },
  'a body mediaType that contradicts the Content-Type': {
    fault: () => only(/\/manifests\//, sendsHeaders({ 'content-type': OCI_INDEX })),
    image: () => docker,
    refused: contradiction,
  },
  'a body mediaType that contradicts the Content-Type of the tag alone': {
    fault: () => ofHead(sendsHeaders({ 'content-type': OCI_MANIFEST })),
    image: () => docker,
    refused: contradiction,
  },
  'a body mediaType that contradicts the Content-Type of GET alone': {
    fault: ({ child }) => ofManifest(child.root.digest, sendsHeaders({ 'content-type': DOCKER_MANIFEST })),
    refused: { ...contradiction, message: /is served as \S+, but was announced as/ },
  },
  'a body mediaType that contradicts a Content-Type that nobody knows': {
    fault: ({ child }) => ofManifest(child.root.digest, sendsHeaders({ 'content-type': 'application/vnd.other+json' })),
    refused: { ...contradiction, message: /is served as application\/vnd\.other\+json/ },
  },
  'no body mediaType, and a Content-Type that is not that of its shape': {
    fault: () => only(/\/manifests\//, sendsHeaders({ 'content-type': OCI_INDEX })),
    image: () => noType,
    refused: contradiction,
  },
  'a body mediaType that contradicts the parent’s descriptor': {
    image: ({ child }) => makeIndex([{ ...child, entry: { mediaType: DOCKER_MANIFEST } }]),
    refused: contradiction,
  },
  'a body mediaType that contradicts the parent’s descriptor, served as the parent says': {
    fault: ({ child }) => ofManifest(child.root.digest, sendsHeaders({ 'content-type': DOCKER_MANIFEST })),
    image: ({ child }) => makeIndex([{ ...child, entry: { mediaType: DOCKER_MANIFEST } }]),
    refused: contradiction,
  },
  'a Content-Type that says nothing is no contradiction': {
    fault: () => only(/\/manifests\//, sendsHeaders({ 'content-type': 'application/json; charset=utf-8' })),
  },
}
