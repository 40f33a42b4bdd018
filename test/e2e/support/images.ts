import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pushSigned, type StoredReferrer } from './artifacts.ts'
import { debianRoot } from './debian-root.ts'
import type { Engine } from './engine.ts'
import { pushBig, pushBusybox, pushDebian, pushMultiPlatform, pushOciImages, type Workshop } from './image-builds.ts'
import { repositoryWriter } from './registry-writer.ts'
import { startUpstream } from './upstream.ts'

/**
 * What the shared registries hold.
 *
 * | repository | tags | what |
 * |---|---|---|
 * | `busybox` | `latest` `007` `RC1`; `1.10` `1e3` `rc1` | two single-platform images, Docker schema 2, `echo` and `sh` inside |
 * | `debian` | `latest` | one layer of about 60 MB compressed, with bash |
 * | `big` | `latest` | more than 350 MB compressed in seven layers |
 * | `multi` | `latest`; `amd64` `arm64` | a Docker manifest list and its children |
 * | `team/tools/busybox` | `latest` | an OCI image, in a repository of three parts |
 * | `signed` | `latest`; `amd64` `arm64`; `sha256-…` | an OCI index with an attestation, referrers, cosign's tags: see {@link pushSigned} |
 * | `private/app` | `latest` | the first busybox; closed to the anonymous where there is a token server |
 */
export interface Images {
  /** By repository, then by tag. */
  readonly repositories: Readonly<Record<string, Readonly<Record<string, StoredManifest>>>>
  /** Every artifact with a `subject`. */
  readonly referrers: readonly StoredReferrer[]
}

/** What a tag names. */
interface StoredManifest {
  readonly digest: string
  readonly mediaType: string
  /** Bytes of the manifest. */
  readonly size: number
}

/** A registry's filled data folder, not to be written to, and what is in it. */
export interface StoredImages {
  /** For `startUpstream({ data })`. */
  readonly dataFolder: string
  readonly images: Images
}

/** What {@link prepareImages} needs beside an engine when nothing is cached. */
export const imageNeeds = ['busybox', 'skopeo', 'apt-get', 'debootstrap', 'tar', 'unshare', 'root'] as const

/** Where things are kept from run to run: `$REGISTRISH_E2E_CACHE`, else a folder of the system's temporary one. */
export function cacheFolder(): string {
  return process.env['REGISTRISH_E2E_CACHE'] ?? join(tmpdir(), 'registrish-e2e')
}

/**
 * The filled registry from the cache, or, where there is none or its recipes have changed, built by the engine, which only
 * then is asked for. What is in the cache is whole: it is built under another name and renamed, so that an interrupted
 * run leaves nothing that counts and two runs at once agree on the first's.
 */
export async function prepareImages(cache: string, getEngine: () => Promise<Engine>): Promise<StoredImages> {
  await mkdir(cache, { recursive: true })
  await removeAbandoned(cache)
  const folder = join(cache, `registry-${await recipeKey()}`)
  const cached = await readStored(folder)
  if (cached !== undefined) return cached
  await rm(folder, { recursive: true, force: true })
  const engine = await getEngine()
  const building = await mkdtemp(join(cache, buildingPrefix(process.pid)))
  try {
    await build(building, { engine, cache })
    await renameUnlessThere(building, folder)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
  const built = await readStored(folder)
  if (built === undefined) throw new Error(`${folder} vanished while it was made`)
  return built
}

async function build(folder: string, options: { readonly engine: Engine; readonly cache: string }): Promise<void> {
  const { engine, cache } = options
  const archive = debianRoot(cache)
  // It may fail while the other images are being made; it is awaited below.
  archive.catch(() => undefined)
  const upstream = await startUpstream({ data: { writable: join(folder, 'data') } })
  try {
    const scratch = join(folder, 'scratch')
    await mkdir(scratch)
    const workshop: Workshop = { engine, host: upstream.host, folder: scratch }
    await pushBusybox(workshop)
    await pushMultiPlatform(workshop)
    await pushBig(workshop)
    await pushDebian(workshop, await archive)
    await pushOciImages(workshop)
    const referrers = await pushSigned(upstream.url)
    const images: Images = { repositories: await listRepositories(upstream.url), referrers }
    await rm(scratch, { recursive: true })
    const record: CacheRecord = { images, extent: await measure(upstream.dataFolder) }
    await writeFile(join(folder, 'images.json'), JSON.stringify(record, null, 2))
  } finally {
    await upstream.stop()
    await archive.catch(() => undefined)
  }
}

async function listRepositories(url: string): Promise<Images['repositories']> {
  const catalog = await getJson<{ readonly repositories: readonly string[] }>(`${url}/v2/_catalog`)
  const entries = catalog.repositories.map(async repository => {
    const { tags } = await getJson<{ readonly tags: readonly string[] }>(`${url}/v2/${repository}/tags/list`)
    const writer = repositoryWriter(url, repository)
    const named = tags.map(async tag => [tag, (await writer.getManifest(tag)).descriptor] as const)
    return [repository, Object.fromEntries(await Promise.all(named))] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return (await response.json()) as T
}

interface CacheRecord {
  readonly images: Images
  readonly extent: Extent
}

/** How much a folder holds: enough to notice files that a cleaner of old temporary files has taken away. */
interface Extent {
  readonly files: number
  readonly bytes: number
}

async function readStored(folder: string): Promise<StoredImages | undefined> {
  const text = await readFile(join(folder, 'images.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { images, extent } = JSON.parse(text) as CacheRecord
  const dataFolder = join(folder, 'data')
  const found = await measure(dataFolder).catch(() => undefined)
  if (found?.files !== extent.files || found.bytes !== extent.bytes) return undefined
  return { dataFolder, images }
}

async function measure(folder: string): Promise<Extent> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile())
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size))
  return { files: files.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
}

/** A name for what the recipes' source makes, on this architecture. */
async function recipeKey(): Promise<string> {
  const hash = createHash('sha256').update(process.arch)
  for (const name of ['images.ts', 'image-builds.ts', 'artifacts.ts']) {
    hash.update(await readFile(fileURLToPath(new URL(name, import.meta.url))))
  }
  return hash.digest('hex').slice(0, 12)
}

async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}

function buildingPrefix(pid: number): string {
  return `building-${pid}-`
}

/** Removes what runs that are over (killed, crashed) were building. */
async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const pid = Number(/^building-(\d+)-/.exec(name)?.[1] ?? process.pid)
    if (!isRunning(pid)) await rm(join(cache, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
