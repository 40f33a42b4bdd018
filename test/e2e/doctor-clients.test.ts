import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { examineRegistry } from '../../src/doctor/examine.ts'
import type { CheckName, Client } from '../../src/doctor/report.ts'
import { RIGHT_REGISTRIES, TWICE_WRONG, WRONG_REGISTRIES } from '../support/wrong-registries.ts'
import {
  makeWrongRegistryCertificates,
  type Program,
  type RunningWrongRegistry,
  startWrongRegistry,
  type WrongRegistry,
  type WrongRegistryCertificates,
} from '../support/wrong-registry.ts'
import { createPodman, type Podman, podmanNeeds } from './support/podman.ts'
import { type RunResult, run } from './support/run.ts'
import { describeWith, sharedEngine } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

/** Whose verdict a program is held to. */
const CLIENT_OF: Readonly<Record<Program, Client>> = {
  docker: 'docker',
  containerd: 'containerd',
  podman: 'podman',
  skopeo: 'podman',
  crane: 'crane',
}
const PROGRAMS: readonly Program[] = ['docker', 'containerd', 'podman', 'skopeo', 'crane']
/** What is another thing where a digest is pulled. */
const BY_DIGEST: readonly CheckName[] = ['head', 'digest-type', 'manifest-bytes', 'digest-header', 'length', 'encoding']
/** Longest that a pull of a few hundred bytes may take, in ms, before it counts as failed: some clients try again and again. */
const PATIENCE = 20_000

/** What is pulled from what. */
type Case = Pick<WrongRegistry, 'name'> &
  Partial<WrongRegistry> & { readonly reference?: (registry: RunningWrongRegistry) => string }

const CASES: readonly Case[] = [
  ...RIGHT_REGISTRIES,
  ...WRONG_REGISTRIES,
  ...TWICE_WRONG,
  ...WRONG_REGISTRIES.filter(({ check }) => BY_DIGEST.includes(check)).map(
    (wrong): Case => ({
      ...wrong,
      name: `${wrong.name} (by digest)`,
      reference: ({ multi, single }) =>
        wrong.image === undefined ? `multi@${multi.root.digest}` : `single@${single.root.digest}`,
    }),
  ),
  ...WRONG_REGISTRIES.filter(({ check }) => check === 'dotted-tag').map(
    (wrong): Case => ({ ...wrong, name: `${wrong.name} (that tag)`, reference: () => 'multi:1.0.gz' }),
  ),
]

describeWith([...podmanNeeds, 'engine', 'openssl', 'skopeo', 'crane'], 'what doctor says of a client', () => {
  let folder: string
  let certificates: WrongRegistryCertificates
  let podman: Podman
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rgd-'))
    certificates = makeWrongRegistryCertificates(folder)
    await mkdir(join(folder, 'trusted'))
    await copyFile(certificates.caFile, join(folder, 'trusted', 'ca.crt'))
    podman = await createPodman()
  })
  afterAll(async () => {
    await podman.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it.for(CASES.map(wrong => [wrong.name, wrong] as const))('is what it does: %s', async ([, wrong], { task }) => {
    // Nobody has these images yet: each registry has its own.
    const registry = await startWrongRegistry(wrong, { certificates, seed: `doctor-${task.id}` })
    onTestFinished(registry.close)
    const image = `${registry.host}/${wrong.reference?.(registry) ?? registry.image}`
    const report = await examineRegistry(image, { caFile: certificates.caFile, env: {} })
    const expected = (program: Program): boolean | 'not asked' => {
      const verdict = report.clients.find(({ client }) => client === CLIENT_OF[program])?.verdict
      return wrong.measured?.[program]?.pulls ?? verdict !== 'fails'
    }
    const asked = PROGRAMS.filter(program => expected(program) !== 'not asked')
    const isPlain = wrong.tls === 'none'
    const results = await Promise.all(
      asked.map(async program => [program, await pull(program, image, isPlain)] as const),
    )
    expect(results.map(([program, { failed, stderr }]) => [program, failed ? `fails: ${stderr}` : 'pulls'])).toEqual(
      asked.map(program => [program, expected(program) === true ? 'pulls' : expect.stringMatching(/^fails: /)]),
    )
  })

  it('rests on pulls of everything: no client has a layer from before', async () => {
    const registry = await startWrongRegistry({}, { certificates, seed: 'doctor-cold' })
    onTestFinished(registry.close)
    for (const program of PROGRAMS) await pull(program, `${registry.host}/single:latest`, false)
    const layers = [...registry.single.blobs].filter(([, bytes]) => bytes[0] === 0x1f).map(([digest]) => digest)
    expect(layers).not.toEqual([])
    for (const layer of layers) {
      const gets = registry.lines().filter(line => line === `GET /v2/single/blobs/${layer} 200`)
      expect(gets).toHaveLength(PROGRAMS.length)
    }
  })

  /** Pulls it once; `failed` where it could not. Nothing of it is left behind. */
  async function pull(program: Program, image: string, isPlain: boolean): Promise<RunResult> {
    const options = { reject: false, timeout: PATIENCE }
    const trusted = join(folder, 'trusted')
    const target = await mkdtemp(join(folder, 'pulled-'))
    const { docker, ctr } = sharedEngine()
    const remove: Readonly<Partial<Record<Program, () => Promise<unknown>>>> = {
      docker: async () => docker(['rmi', '--force', image], { reject: false }),
      containerd: async () => ctr(['images', 'rm', '--sync', image], { reject: false }),
      podman: async () => podman.podman(['rmi', '--force', image], { reject: false }),
    }
    onTestFinished(async () => void (await remove[program]?.()))
    const pulls: Readonly<Record<Program, () => Promise<RunResult>>> = {
      docker: async () => docker(['pull', '--quiet', image], options),
      containerd: async () =>
        ctr(['images', 'pull', ...(isPlain ? [] : ['--hosts-dir', await trustedHosts(image)]), image], options),
      podman: async () =>
        podman.podman(
          ['pull', '--quiet', ...(isPlain ? ['--tls-verify=false'] : ['--cert-dir', trusted]), image],
          options,
        ),
      skopeo: async () => {
        const trust = isPlain ? ['--src-tls-verify=false'] : ['--src-cert-dir', trusted]
        return run(toolPath('skopeo'), ['copy', '--quiet', ...trust, `docker://${image}`, `dir:${target}`], options)
      },
      crane: async () =>
        run(toolPath('crane'), ['pull', '--platform', 'linux/amd64', image, join(target, 'image.tar')], {
          ...options,
          env: { SSL_CERT_FILE: certificates.caFile, DOCKER_CONFIG: target },
        }),
    }
    return pulls[program]()
  }

  /** containerd speaks plain HTTP to this machine, whatever else it is told, unless a folder of hosts says otherwise. */
  async function trustedHosts(image: string): Promise<string> {
    const host = image.slice(0, image.indexOf('/'))
    const hosts = await mkdtemp(join(folder, 'hosts-'))
    await mkdir(join(hosts, host))
    const settings = `server = "https://${host}"\n[host."https://${host}"]\nca = "${certificates.caFile}"\n`
    await writeFile(join(hosts, host, 'hosts.toml'), settings)
    return hosts
  }
})
