import { createCipheriv } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Engine } from './engine.ts'
import { run } from './run.ts'
import { toolPath } from './tools.ts'

/** What the builds work with. */
export interface Workshop {
  readonly engine: Engine
  /** `127.0.0.1:PORT` of the registry that they push to. */
  readonly host: string
  /** A folder for what they need on the way. */
  readonly folder: string
}

/** Pushes `busybox`: two images under six tags, some of which look like numbers and some differ only by case. */
export async function pushBusybox({ engine, host, folder }: Workshop): Promise<void> {
  const variants = { first: ['latest', '007', 'RC1'], second: ['1.10', '1e3', 'rc1'] }
  for (const [variant, tags] of Object.entries(variants)) {
    const names = tags.map(tag => `${host}/busybox:${tag}`)
    await buildBusybox({ engine, host, folder }, { names, label: variant })
    await pushAll(engine, names)
  }
  const greeting = await engine.docker(
    ['run', '--rm', '--network', 'none', `${host}/busybox:latest`, 'echo', 'hello'],
    {
      reject: false,
    },
  )
  if (greeting.stdout !== 'hello') {
    throw new Error(`busybox does not run in a container (is it Debian's busybox-static?): ${greeting.stderr}`)
  }
  const closed = `${host}/private/app:latest`
  await engine.docker(['tag', `${host}/busybox:latest`, closed])
  await pushAll(engine, [closed])
}

/** Pushes `multi`: a Docker manifest list of amd64 and arm64, made by docker's client; the arm64 image is amd64 relabelled. */
export async function pushMultiPlatform(workshop: Workshop): Promise<void> {
  const { engine, host } = workshop
  const children: string[] = []
  for (const architecture of ['amd64', 'arm64']) {
    const name = `${host}/multi:${architecture}`
    await buildBusybox(workshop, { names: [name], label: 'multi', platform: `linux/${architecture}` })
    await pushAll(engine, [name])
    children.push(name)
  }
  const list = `${host}/multi:latest`
  await engine.docker(['manifest', 'create', '--insecure', list, ...children])
  await engine.docker(['manifest', 'push', '--insecure', list])
}

/** Pushes `big`: {@link bigLayers} layers of {@link bigLayerSize} bytes each that no compression makes smaller, and busybox. */
export async function pushBig({ engine, host, folder }: Workshop): Promise<void> {
  const context = await busyboxContext(folder)
  const names = Array.from({ length: bigLayers }, (_, index) => `layer-${index}`)
  for (const [index, name] of names.entries()) await writeNoise(join(context, name), index)
  const copies = names.map(name => `COPY ${name} /data/${name}`)
  await writeFile(
    join(context, 'Dockerfile'),
    ['FROM scratch', 'COPY bin /bin', ...copies, 'CMD ["sh"]', ''].join('\n'),
  )
  const name = `${host}/big:latest`
  await engine.docker(['build', '--network', 'none', '--tag', name, context])
  await pushAll(engine, [name])
  await rm(context, { recursive: true })
}

/** How many big layers `big` has. */
const bigLayers = 6
/** The size of each, in bytes before and (nearly) after compression. */
const bigLayerSize: number = 60 * 1024 * 1024

/** Pushes `debian`: a debootstrap system from its tar archive, by `docker import`. */
export async function pushDebian({ engine, host }: Workshop, archive: string): Promise<void> {
  const name = `${host}/debian:latest`
  await engine.docker(['import', '--change', 'CMD ["bash"]', archive, name])
  await pushAll(engine, [name])
}

/** Pushes `team/tools/busybox` and, for the index to come, `signed:amd64` and `signed:arm64`: OCI images, by skopeo. */
export async function pushOciImages({ host }: Workshop): Promise<void> {
  const copies = {
    'busybox:latest': 'team/tools/busybox:latest',
    'multi:amd64': 'signed:amd64',
    'multi:arm64': 'signed:arm64',
  }
  const options = ['--format', 'oci', '--src-tls-verify=false', '--dest-tls-verify=false']
  for (const [from, to] of Object.entries(copies)) {
    await run(toolPath('skopeo'), ['copy', ...options, `docker://${host}/${from}`, `docker://${host}/${to}`])
  }
}

async function buildBusybox(
  { engine, folder }: Workshop,
  options: { readonly names: readonly string[]; readonly label: string; readonly platform?: string },
): Promise<void> {
  const { names, label, platform = 'linux/amd64' } = options
  const context = await busyboxContext(folder)
  const lines = ['FROM scratch', 'COPY bin /bin', `LABEL variant=${label}`, 'ENV PATH=/bin', 'CMD ["sh"]', '']
  await writeFile(join(context, 'Dockerfile'), lines.join('\n'))
  // COPY comes first: it alone gives the image its platform. No cache: a layer of another platform would be taken from it.
  const tags = names.flatMap(name => ['--tag', name])
  await engine.docker(['build', '--no-cache', '--network', 'none', '--platform', platform, ...tags, context])
  await rm(context, { recursive: true })
}

/** A new folder with bin/busybox and the links by which containers call it. */
async function busyboxContext(folder: string): Promise<string> {
  const context = await mkdtemp(join(folder, 'context-'))
  await mkdir(join(context, 'bin'))
  await copyFile(toolPath('busybox'), join(context, 'bin/busybox'))
  for (const applet of ['sh', 'echo', 'ls', 'cat', 'sleep', 'wc', 'sha256sum', 'uname']) {
    await symlink('busybox', join(context, 'bin', applet))
  }
  return context
}

async function pushAll({ docker }: Engine, names: readonly string[]): Promise<void> {
  for (const name of names) await docker(['push', '--quiet', name])
}

/** The same incompressible bytes for the same seed: a cipher's key stream. */
async function writeNoise(path: string, seed: number): Promise<void> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16))
  const zeros = Buffer.alloc(1024 * 1024)
  await pipeline(
    Readable.from(
      (function* () {
        for (let written = 0; written < bigLayerSize; written += zeros.length) yield cipher.update(zeros)
      })(),
    ),
    createWriteStream(path),
  )
}
