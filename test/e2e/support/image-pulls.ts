import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { newName } from './engine.ts'
import type { Podman } from './podman.ts'
import type { Hosted } from './registrish.ts'
import { type RunOptions, type RunResult, run } from './run.ts'
import { sharedEngine, sharedRegistries } from './suites.ts'
import { toolPath } from './tools.ts'

/** What an image with `echo` inside is told to run. */
export const HELLO: readonly string[] = ['echo', 'hello', 'there']
/** What it prints then. */
export const HELLO_OUTPUT = 'hello there'

/** A nested repository, which also holds the odd tags. */
export const ODD_REPOSITORY = 'team/tools/busybox'

/** What clients need of what is pulled from. */
export type Host = Pick<Hosted, 'host' | 'close'>

/** The tree, the server of it that is pulled from, and the podman that does, once both run. */
export interface Running<H extends Host = Host> {
  readonly root: string
  readonly server: H
  readonly podman: Podman['podman']
}

/** Has every client pull, run and read one image, `name:tag`, by its tag or by its digest. */
export function describeImage(image: string, byDigest: boolean, running: () => Running): void {
  const named = (form: (image: string) => string): string => `${running().server.host}/${form(image)}`
  const full = (): string => named(byDigest ? withDigest : asIs)

  it('docker pulls and runs it', async () => {
    const { docker } = sharedEngine()
    onTestFinished(() => docker(['rmi', '--force', full()]).then(() => undefined))
    await docker(['pull', '--quiet', full()])
    expect((await docker(['run', '--rm', '--network', 'none', full(), ...HELLO])).stdout).toBe(HELLO_OUTPUT)
    const { stdout } = await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', full()])
    expect(stdout).toContain(digestOf(image))
  })

  it('podman pulls and runs it', async () => {
    const { podman } = running()
    onTestFinished(() => podman(['rmi', '--force', full()]).then(() => undefined))
    await podman(['pull', '--quiet', '--tls-verify=false', full()])
    expect((await podman(['run', '--rm', full(), ...HELLO])).stdout).toBe(HELLO_OUTPUT)
  })

  it('containerd pulls and runs it', async () => {
    const { ctr } = sharedEngine()
    onTestFinished(() => ctr(['images', 'rm', full()]).then(() => undefined))
    await ctr(['images', 'pull', '--plain-http', full()])
    expect((await ctr(['run', '--rm', full(), newName(), '/bin/echo', 'hello', 'there'])).stdout).toBe(HELLO_OUTPUT)
    expect((await ctr(['images', 'ls', `name==${full()}`])).stdout).toContain(digestOf(image))
  })

  it('skopeo inspects it, and copies all of it with its digest', async () => {
    const source = `docker://${full()}`
    const inspected = await skopeo(['inspect', '--tls-verify=false', '--format', '{{.Digest}}', source])
    expect(inspected.stdout).toBe(digestOf(image))
    const folder = await makeTemporaryFolder()
    const copying = ['copy', '--quiet', '--all', '--preserve-digests', '--src-tls-verify=false']
    await skopeo([...copying, source, `dir:${folder}`])
    const manifest = await readFile(join(folder, 'manifest.json'))
    expect(`sha256:${createHash('sha256').update(manifest).digest('hex')}`).toBe(digestOf(image))
  })

  // It reads an image by its digest too, where others take the tag.
  if (byDigest) return
  it('crane finds its digest, by tag and digest, and validates every byte', async () => {
    await Promise.all([full(), named(withDigest)].map(asked => expectCrane(asked, digestOf(image))))
  })
}

/** Has crane find a digest at a name, and read every byte below it. */
export async function expectCrane(full: string, digest: string): Promise<void> {
  const [found, validated] = await Promise.all([crane(['digest', full]), crane(['validate', '--remote', full])])
  expect(found.stdout).toBe(digest)
  expect(validated.stdout).toContain('PASS')
}

/** The digest of an image of the shared registries, `name:tag`. */
export function digestOf(image: string): string {
  const colon = image.lastIndexOf(':')
  const stored = sharedRegistries().images.repositories[image.slice(0, colon)]?.[image.slice(colon + 1)]
  if (stored === undefined) throw new Error(`the registries hold no ${image}`)
  return stored.digest
}

/** Runs skopeo. */
export function skopeo(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(toolPath('skopeo'), args, options)
}

/** Runs crane, which asks without TLS. */
export function crane(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(toolPath('crane'), [...args, '--insecure'], options)
}

function asIs(image: string): string {
  return image
}

function withDigest(image: string): string {
  return `${image.slice(0, image.lastIndexOf(':'))}@${digestOf(image)}`
}
