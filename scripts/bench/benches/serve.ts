import { join } from 'node:path'
import { MANIFEST_TYPES } from '../../../src/oci/media-types.ts'
import { blobPath, manifestPath } from '../../../src/tree/layout.ts'
import type { Bench, Case, Sample, Side } from '../bench.ts'
import { LARGE_IMAGE, putLargeImage } from '../large-image.ts'
import { loadServer, writeScript } from '../load.ts'
import { twoCores } from '../machine.ts'
import { DOCKER_REGISTRY, REGISTRISH } from '../registries.ts'
import { registrish } from '../registrish.ts'
import { findFreePort, startServer } from '../server-process.ts'
import type { Place, Server } from '../servers.ts'
import { startUpstream } from '../upstream.ts'

/** `registrish serve` against docker-registry, which it was all fetched from. */
export const serve: Bench = {
  name: 'serve',
  summary: `registrish serve of ${LARGE_IMAGE} on one core, against docker-registry`,
  needs: ['docker-registry', 'wrk', 'taskset'],
  room: { bytes: 2 ** 30, files: 10_000 },
  runs: { full: 5, quick: 1 },
  async prepare(context) {
    const { folder } = context
    const roots = { registry: join(folder, 'registry'), tree: join(folder, 'tree') }
    const { manifest, layers } = putLargeImage({ root: roots.registry, repository: 'app' }, '1.0')
    await registrish('fetch', `${await startUpstream(context, roots.registry)}/app:1.0`, '--root', roots.tree)
    const manifests = ['1.0', manifest].map(reference => `/${manifestPath('app', reference)}`)
    const blobs = layers.map(digest => `/${blobPath('app', digest)}`)
    const scripts = {
      manifests: writeScript(folder, 'manifests', manifests, MANIFEST_TYPES.join(', ')),
      blobs: writeScript(folder, 'blobs', blobs),
    }
    const place = async (root: string, name: string): Promise<Place> => ({
      root,
      folder: join(folder, name),
      port: await findFreePort(),
    })
    const ours = sideOf('registrish', { server: REGISTRISH, place: await place(roots.tree, 'ours'), scripts })
    const theirs = { server: DOCKER_REGISTRY, place: await place(roots.registry, 'theirs'), scripts }
    return [{ ...CASE, setup: async () => [ours, sideOf('docker-registry', theirs)] }]
  },
}

const CASE: Omit<Case, 'setup'> = {
  name: 'against docker-registry',
  needs: [],
  measures: [
    { key: 'manifests', name: 'manifests, 64 connections', unit: '/s', aim: '>= 20 x' },
    { key: 'manifestsPerCpu', name: 'manifests, per second of its processor', unit: '/s' },
    { key: 'blobs', name: 'blobs, 8 connections', unit: 'MB/s', aim: '>= 1.05 x' },
    { key: 'blobsPerCpu', name: 'blobs, per second of its processor', unit: 'MB/s' },
    { key: 'start', name: 'start to first answer', unit: 's' },
    { key: 'memory', name: 'memory', unit: 'MiB' },
  ],
}

interface Setting {
  readonly server: Server
  readonly place: Place
  readonly scripts: { readonly manifests: string; readonly blobs: string }
}

function sideOf(name: string, setting: Setting): Side {
  return { name, run: () => serveOnce(setting) }
}

/** Figures are those of a server that has been in use for a while: what compiles itself as it runs takes a second or two. */
async function serveOnce({ server, place, scripts }: Setting): Promise<Sample> {
  const [core, client] = twoCores()
  const running = await startServer(server, place, { path: '/v2/', core })
  const load = { core: client, seconds: 2 }
  try {
    const small = { ...load, script: scripts.manifests, connections: 64 }
    await loadServer(running.url, small)
    const begin = running.use()
    const manifests = await loadServer(running.url, small)
    const between = running.use()
    const blobs = await loadServer(running.url, { ...load, script: scripts.blobs, connections: 8 })
    const { cpu, memory } = running.use()
    return {
      manifests: manifests.perSecond,
      manifestsPerCpu: manifests.answered / (between.cpu - begin.cpu),
      blobs: blobs.megabytesPerSecond,
      blobsPerCpu: (blobs.megabytesPerSecond * load.seconds) / (cpu - between.cpu),
      start: running.start,
      memory,
    }
  } finally {
    await running.stop()
  }
}
