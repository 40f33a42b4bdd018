import { CLIENTS } from '../../src/doctor/report.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type ImageManifest, parseManifest, references } from '../../src/oci/manifest.ts'
import { rootBytes } from './made-images.ts'
import type { Answer, RegistryRequest } from './registry-content.ts'
import { breaksAfter, fails, ignoresRange, only, redirects, sendsHeaders, wrongBytes } from './registry-faults.ts'
import type { Hook } from './test-registry.ts'
import { compresses, there } from './wrong-hooks.ts'
import type { WrongRegistry, WrongSite } from './wrong-registry.ts'

/** Mistakes in how blobs are answered. */

const BLOB = /^(?:GET|HEAD) \/v2\/.*\/blobs\//
const GET_BLOB = /^GET \/v2\/.*\/blobs\//

const OLD_CONTAINERD: WrongRegistry['measured'] = {
  containerd: { pulls: true, why: 'the engine of the tests has containerd 1, which reads no such header' },
}

export const WRONG_BLOBS: readonly WrongRegistry[] = [
  {
    name: 'blobs of other bytes',
    check: 'blob-bytes',
    fails: CLIENTS,
    why: 'all verify digests',
    change: () => only(GET_BLOB, wrongBytes),
  },
  {
    name: 'blobs whose connection is cut',
    check: 'blob-bytes',
    fails: CLIENTS,
    why: 'all verify digests',
    change: () => only(GET_BLOB, breaksInTheMiddle),
  },
  {
    name: 'blobs that are not there',
    check: 'blob-bytes',
    fails: CLIENTS,
    why: 'there is nothing to pull',
    change: () => only(BLOB, fails(404, {}, 'BLOB_UNKNOWN')),
  },
  {
    name: 'a config that is not there',
    check: 'blob-bytes',
    fails: CLIENTS,
    why: 'all need it; crane and skopeo copy it',
    change: site =>
      only(
        oneOf(site, ({ config }) => config),
        fails(404, {}, 'BLOB_UNKNOWN'),
      ),
  },
  {
    name: 'the largest layer is not there',
    check: 'blob-bytes',
    fails: CLIENTS,
    why: 'hosts have limits for the size of a file',
    change: site => only(oneOf(site, largestLayer), fails(404, {}, 'BLOB_UNKNOWN')),
  },
  {
    name: 'the largest layer cut short',
    check: 'blob-bytes',
    fails: CLIENTS,
    why: 'all verify digests',
    change: site => only(oneOf(site, largestLayer), there(cutsShort)),
  },
  {
    name: 'another digest header on blobs',
    check: 'digest-header',
    fails: ['oras', 'helm'],
    why: 'oras-go 2.6.0, blobStore.Fetch; nobody else reads it there',
    change: ({ multi }) => only(GET_BLOB, sendsHeaders({ 'docker-content-digest': multi.root.digest })),
  },
  {
    name: 'blobs without a length',
    check: 'length',
    caveats: ['docker'],
    why: 'all know the size from the manifest; Docker asks the answer for what its progress ends at',
    change: () => only(GET_BLOB, there(sendsHeaders({ 'transfer-encoding': 'chunked' }))),
  },
  {
    name: 'another length on HEAD of blobs',
    check: 'length',
    caveats: ['containerd', 'podman', 'oras'],
    why: '1.5: lazy pulls ask HEAD for the size; so does oras blob fetch',
    change: () => only(/^HEAD .*\/blobs\//, there(sendsHeaders({ 'content-length': '7' }))),
  },
  {
    name: 'layers labelled Content-Encoding: gzip',
    check: 'encoding',
    fails: CLIENTS,
    why: '1.5: all unpack what is so labelled, and the digest is another',
    change: () => only(GET_BLOB, labelsLayers('gzip')),
  },
  {
    name: 'layers labelled Content-Encoding: x-gzip',
    check: 'encoding',
    fails: ['containerd'],
    why: '1.5: Go programs know gzip only; containerd from 2.0 on refuses what it does not know',
    change: () => only(GET_BLOB, labelsLayers('x-gzip')),
    measured: OLD_CONTAINERD,
  },
  {
    name: 'layers labelled Content-Encoding: zstd',
    check: 'encoding',
    fails: ['containerd'],
    why: '1.5: Go programs know gzip only; containerd from 2.0 on unpacks zstd, which this is not',
    change: () => only(GET_BLOB, labelsLayers('zstd')),
    measured: OLD_CONTAINERD,
  },
  {
    name: 'blobs compressed on the fly',
    check: 'encoding',
    caveats: CLIENTS,
    why: '1.5: all unpack it; lengths and ranges are gone',
    change: () => only(BLOB, compresses),
  },
  {
    name: 'ranges answered with the whole',
    check: 'range',
    caveats: ['docker', 'containerd', 'podman'],
    why: '1.5: docker and containerd begin anew, podman gives up; lazy pulls need it',
    change: () => only(BLOB, ignoresRange),
  },
  {
    name: 'ranges that are said to begin elsewhere',
    check: 'range',
    caveats: ['docker', 'containerd', 'podman'],
    why: '1.5: what was cut is not resumed',
    change: () => only(BLOB, saysOtherRange),
  },
  {
    name: 'blobs redirected to where nobody listens',
    check: 'redirect',
    fails: CLIENTS,
    why: '1.6: all follow it, to nobody',
    change: () =>
      only(
        BLOB,
        redirects(({ path }) => `https://localhost:9${path}`),
      ),
  },
  {
    name: 'blobs redirected from https to http',
    check: 'redirect',
    caveats: CLIENTS,
    why: '1.6: followed, but anybody on the way sees it; regctl refuses',
    change: ({ beside }) =>
      only(
        BLOB,
        redirects(({ path }) => beside.http + path),
      ),
  },
  {
    name: 'blobs redirected to the address of another private host',
    check: 'redirect',
    host: 'localhost',
    fails: ['crane'],
    why: '1.6: crane follows to names only',
    change: ({ beside }) =>
      only(
        BLOB,
        redirects(({ path }) => beside.https + path),
      ),
  },
  {
    name: 'blobs redirected to themselves',
    check: 'redirect',
    fails: CLIENTS,
    why: '1.6: ten hops at most',
    change: () =>
      only(
        BLOB,
        redirects(({ path }) => path),
      ),
    measured: { crane: { pulls: 'not asked', why: 'it counts no hops and goes on for ever (v0.22.1)' } },
  },
]

/** Requests for a blob of the image for linux/amd64. */
function oneOf({ multi }: WrongSite, choose: (image: ImageManifest) => Descriptor | undefined): RegExp {
  const index = parseManifest(rootBytes(multi))
  const child = [...references(index)].find(({ platform }) => platform?.architecture === 'amd64')
  const image = parseManifest(multi.manifests.get(child?.digest ?? multi.root.digest) ?? new Uint8Array())
  const blob = image.kind === 'image' ? choose(image) : undefined
  if (blob === undefined) throw new TypeError('the image has no such blob')
  return new RegExp(`/blobs/${blob.digest}$`)
}

function largestLayer({ layers }: ImageManifest): Descriptor | undefined {
  return layers.toSorted((a, b) => a.size - b.size).at(-1)
}

const cutsShort: Hook = async (request, next) => {
  const answer = await next(request)
  return { ...answer, body: answer.body.subarray(0, -1) }
}

/** What static hosts do with files whose name or bytes look compressed. */
function labelsLayers(encoding: string): Hook {
  return async (request, next) => {
    const answer = await next(request)
    if (answer.body[0] !== 0x1f || answer.body[1] !== 0x8b) return answer
    return { ...answer, headers: { ...answer.headers, 'content-encoding': encoding } }
  }
}

/** Nothing from the middle of a blob on ever comes, wherever a request begins. */
const breaksInTheMiddle: Hook = async (request, next) => {
  const answer = await next(request)
  const { first = '0', size = `${answer.body.length}` } =
    /^bytes (?<first>\d+)-\d+\/(?<size>\d+)$/.exec(String(answer.headers['content-range'] ?? ''))?.groups ?? {}
  const after = Math.max(0, Math.floor(Number(size) / 2) - Number(first))
  return after < answer.body.length && answer.status < 300
    ? breaksAfter(after, 'ends')(request, async () => answer)
    : answer
}

const saysOtherRange: Hook = async (request: RegistryRequest, next): Promise<Answer> => {
  const answer = await next(request)
  const said = String(answer.headers['content-range'] ?? '')
  if (answer.status !== 206) return answer
  return sendsHeaders({ 'content-range': said.replace(/\d+-\d+/, '1000000-1000001') })(request, async () => answer)
}
