import { throwIfAborted } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { type Manifest, references } from '../oci/manifest.ts'
import type { OnProgress } from '../progress.ts'
import { requestFor } from '../registry/fetch-manifest.ts'
import { blobPath, manifestPath, publicPrefix } from '../tree/layout.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { forEach } from './for-each.ts'
import { changed, type Finding, type JudgedManifest, judgeManifest, judgeStatus } from './proof-answers.ts'
import { type ProvedBlob, readBlob, seeBlob } from './proof-blobs.ts'
import { openProofHost, type ProofHost, type ProofHostOptions } from './proof-host.ts'
import { MOST_FAILURES, type ProofProblem, type ProofReport } from './proof-report.ts'
import type { PlannedObject, PlannedTag } from './report.ts'

/** What is to be fetched back, and how. */
export interface ProofOptions extends ProofHostOptions {
  /** Tags that a deploy has changed; deleted ones are let pass. */
  readonly tags: readonly PlannedTag[]
  /** What it has written: blobs among it are read whole, of others only the size is asked for. */
  readonly objects: readonly PlannedObject[]
  /** The command that says what the store needs. Default `registrish setup`. */
  readonly setup?: string
  /** Requests at once. Default 16. */
  readonly jobs?: number
}

/**
 * Fetches images back from where users pull them, as a client does: the version check, each tag, all of its manifests by digest, configs and layers. What
 * the tree lacks itself (platforms that were not fetched, foreign layers) is not asked for.
 * @throws RegistrishError `unreachable`, `timeout`, `unauthorized`, `rate-limited`, `aborted`; what answers are wrong is in the report.
 */
export async function proveImages(
  tree: Pick<ReadonlyTree, 'manifest' | 'blobSize'>,
  options: ProofOptions,
): Promise<ProofReport> {
  const host = await openProofHost(options)
  const images = options.tags.flatMap(({ repository, tag, digest }) =>
    digest === undefined ? [] : [{ repository, tag, digest }],
  )
  const proof = beginProof(host, tree, options)
  try {
    await checkVersion(proof, images[0]?.repository ?? '')
    if (proof.failures.length === 0) await proveAll(proof, images)
  } finally {
    await host.close()
  }
  const { warnings, failures, counts } = proof
  return { origin: host.origin, images: images.length, ...counts, warnings, failures }
}

interface Image {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
}

/** A proof that is under way. */
interface Proof {
  readonly host: ProofHost
  readonly tree: Pick<ReadonlyTree, 'manifest' | 'blobSize'>
  readonly options: ProofOptions & { readonly setup: string; readonly jobs: number; readonly onProgress: OnProgress }
  readonly written: ReadonlySet<string>
  /** Paths of manifests that are as they should be. */
  readonly proved: Set<string>
  readonly warnings: ProofProblem[]
  readonly failures: ProofProblem[]
  readonly counts: { manifests: number; blobsRead: number; bytesRead: number; blobsSeen: number }
}

function beginProof(host: ProofHost, tree: Proof['tree'], options: ProofOptions): Proof {
  const { setup = 'registrish setup', jobs = 16, onProgress = () => {} } = options
  const written = options.objects.filter(({ action }) => action === 'send' || action === 'copy')
  return {
    host,
    tree,
    options: { ...options, setup, jobs, onProgress },
    written: new Set(written.map(({ key }) => key)),
    proved: new Set(),
    warnings: [],
    failures: [],
    counts: { manifests: 0, blobsRead: 0, bytesRead: 0, blobsSeen: 0 },
  }
}

/** Podman, skopeo and crane ask for it before all else, and take nothing but 200. */
async function checkVersion(proof: Proof, repository: string): Promise<void> {
  const path = `/${publicPrefix}`
  const finding = await proof.host.connection.exchange({
    what: 'the version check',
    repository,
    path,
    signal: proof.options.signal,
    async read(response) {
      if (response.status !== 200) return judgeStatus(response, proof.options)
      await response.discard()
      return undefined
    },
  })
  if (finding !== undefined) fail(proof, path, finding)
}

/** Level by level, parents before children, blobs last: each manifest and blob once, however many images share it. */
async function proveAll(proof: Proof, images: readonly Image[]): Promise<void> {
  const manifests = new Map<string, readonly [repository: string, digest: Digest]>()
  const blobs = new Map<string, ProvedBlob>()
  const [first] = images
  if (first !== undefined) await checkMissing(proof, first.repository)
  let level = images.map(({ repository, digest }) => [repository, digest] as const)
  while (level.length > 0) {
    const fresh = level.filter(([repository, digest]) => !manifests.has(manifestPath(repository, digest)))
    for (const place of fresh) manifests.set(manifestPath(...place), place)
    const next: (readonly [string, Digest])[] = []
    await forEachUntilMany(proof, new Set(fresh.map(place => manifestPath(...place))), async path => {
      const place = manifests.get(path)
      if (place !== undefined) await proveManifest(proof, place, { next, blobs })
    })
    level = next
  }
  const there = images.filter(({ repository, digest }) => proof.proved.has(manifestPath(repository, digest)))
  await forEachUntilMany(proof, there, image => proveTag(proof, image))
  await forEachUntilMany(proof, blobs.values(), blob => proveBlob(proof, blob))
}

/** Nothing more is begun once there are many failures. */
async function forEachUntilMany<T>(
  proof: Proof,
  items: Iterable<T>,
  action: (item: T) => Promise<void>,
): Promise<void> {
  await forEach(items, proof.options.jobs, async item => {
    throwIfAborted(proof.options.signal)
    if (proof.failures.length < MOST_FAILURES) await action(item)
  })
}

/** Where something is missing clients need a 404: a signature or a list of referrers that is not there must not look like one that is forbidden. */
async function checkMissing(proof: Proof, repository: string): Promise<void> {
  const place = { repository, reference: digestOf('no such manifest') }
  const path = `/${manifestPath(repository, place.reference)}`
  const status = await proof.host.connection.exchange({
    ...requestFor(proof.host.connection, place, proof.options),
    async read(response) {
      await response.discard()
      return response.status
    },
  })
  if (status === 404) return
  proof.warnings.push({
    url: `${proof.host.origin}${path}`,
    text: `${status}, not 404, for what is not there: clients that look for signatures or referrers fail`,
    hint: `on S3 everyone may need leave to list the bucket: ${proof.options.setup} says how`,
  })
}

interface Found {
  readonly next: (readonly [repository: string, digest: Digest])[]
  readonly blobs: Map<string, ProvedBlob>
}

async function proveManifest(
  proof: Proof,
  [repository, digest]: readonly [string, Digest],
  { next, blobs }: Found,
): Promise<void> {
  const judged = await askManifest(proof, repository, { reference: digest, digest })
  const path = `/${manifestPath(repository, digest)}`
  if ('finding' in judged) return fail(proof, path, judged.finding)
  if ('other' in judged) return fail(proof, path, changed(`bytes of ${judged.other}`, digest))
  proof.counts.manifests += 1
  proof.proved.add(manifestPath(repository, digest))
  proof.options.onProgress({ type: 'manifest-done', repository, digest })
  for (const descriptor of references(judged.manifest)) {
    const kind = await kindOf(proof, repository, { manifest: judged.manifest, descriptor })
    if (kind === 'manifest') next.push([repository, descriptor.digest])
    if (kind === 'blob') blobs.set(blobPath(repository, descriptor.digest), { repository, descriptor })
  }
}

/** What the tree has of it; undefined: nothing, so that the store need not either. */
async function kindOf(
  { tree }: Proof,
  repository: string,
  { manifest, descriptor }: { readonly manifest: Manifest; readonly descriptor: Descriptor },
): Promise<'manifest' | 'blob' | undefined> {
  const { digest } = descriptor
  if (manifest.kind === 'index' && (await tree.manifest(repository, digest, { mayBeOld: true })) !== undefined)
    return 'manifest'
  return (await tree.blobSize(repository, digest)) === undefined ? undefined : 'blob'
}

/** A tag that is not the one just written is a cache's doing, as a rule, since its image is there by digest. */
async function proveTag(proof: Proof, { repository, tag, digest }: Image): Promise<void> {
  const path = `/${manifestPath(repository, tag)}`
  const judged = await askManifest(proof, repository, { reference: tag, digest })
  if ('manifest' in judged) return
  const url = `${proof.host.origin}${path}`
  if ('other' in judged) {
    const hint =
      'a cache in between keeps it (purge that URL there, or wait), or another deploy has moved the tag since'
    proof.warnings.push({ url, text: `still ${judged.other}, not ${digest}`, hint })
  } else if (judged.status === 404) {
    const hint = 'a cache in between keeps the answer from before there was that tag: purge that URL there, or wait'
    proof.warnings.push({ url, text: 'still 404 Not Found, though its image is there by digest', hint })
  } else fail(proof, path, judged.finding)
}

async function askManifest(
  { host, options }: Proof,
  repository: string,
  { reference, digest }: { readonly reference: string; readonly digest: Digest },
): Promise<JudgedManifest> {
  return host.connection.exchange({
    ...requestFor(host.connection, { repository, reference }, options),
    read: response => judgeManifest(response, digest, options),
  })
}

async function proveBlob(proof: Proof, blob: ProvedBlob): Promise<void> {
  const { host, options, written, counts } = proof
  const { repository, descriptor } = blob
  const path = blobPath(repository, descriptor.digest)
  const seen = await seeBlob(host, blob, options)
  const isRead = seen === undefined && written.has(path)
  const finding = isRead ? await readBlob(host, blob, options) : seen
  if (finding !== undefined) fail(proof, `/${path}`, finding)
  else if (isRead) {
    counts.blobsRead += 1
    counts.bytesRead += descriptor.size
  } else counts.blobsSeen += 1
}

function fail({ host, failures }: Proof, path: string, finding: Finding): void {
  failures.push({ url: `${host.origin}${path}`, ...finding })
}
