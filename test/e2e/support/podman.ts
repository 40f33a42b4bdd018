import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentialFile } from './credentials.ts'
import { type RunOptions, type RunResult, run } from './run.ts'
import { requireAll, toolPath } from './tools.ts'

/** A podman with storage and settings of its own; the user's are not touched. */
export interface Podman {
  /** Variables that point skopeo (`containers-storage:`) and buildah to the same storage. */
  readonly env: Readonly<Record<string, string>>
  /**
   * Runs podman. Containers have no network unless they ask (`podman run --rm --network host …`); a registry without TLS
   * needs `--tls-verify=false`, also on loopback. Throws unless `reject` is false.
   */
  readonly podman: (args: readonly string[], options?: RunOptions) => Promise<RunResult>
  /** Removes containers, images and all files. */
  readonly stop: () => Promise<void>
}

/** What {@link createPodman} needs. */
export const podmanNeeds = ['podman', 'runc', 'root'] as const

/** Makes a podman with an empty storage. It starts nothing: podman has no daemon. */
export async function createPodman(): Promise<Podman> {
  requireAll(podmanNeeds)
  const root = await mkdtemp(join(tmpdir(), 'rgp-'))
  await writeFile(`${root}/containers.conf`, engineSettings(root))
  await writeFile(`${root}/storage.conf`, storageSettings(root))
  await writeFile(`${root}/auth.json`, credentialFile({}))
  const env = {
    CONTAINERS_CONF: `${root}/containers.conf`,
    CONTAINERS_STORAGE_CONF: `${root}/storage.conf`,
    REGISTRY_AUTH_FILE: `${root}/auth.json`,
  }
  const podman: Podman['podman'] = (args, options = {}) => {
    return run(toolPath('podman'), args, { ...options, env: { ...env, ...options.env } })
  }
  const stop = async (): Promise<void> => {
    await podman(['rm', '--all', '--force', '--time', '0'], { reject: false })
    await podman(['image', 'rm', '--all', '--force'], { reject: false })
    await rm(root, { recursive: true, force: true })
  }
  return { env, podman, stop }
}

/**
 * podman's own default limits are above what a process without CAP_SYS_RESOURCE may set; crun, its own default runtime,
 * refuses machines that mount both kinds of cgroup.
 */
function engineSettings(root: string): string {
  return `[containers]
netns = "none"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
tmp_dir = "${root}/tmp"
volume_path = "${root}/volumes"
`
}

function storageSettings(root: string): string {
  return `[storage]
driver = "overlay"
graphroot = "${root}/storage"
runroot = "${root}/run"
`
}
