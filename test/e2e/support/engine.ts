import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunOptions, type RunResult, run } from './run.ts'
import { startServerProcess } from './server-process.ts'
import { requireAll, toolPath } from './tools.ts'

/** Where a running engine is: plain data that travels from the global set-up to the test files. */
export interface EngineAddress {
  /** Docker's API, `unix:///…`. */
  readonly host: string
  /** Path of containerd's socket, for `ctr --address`. */
  readonly containerd: string
  /** A folder for docker's client, so that the user's own credentials and contexts play no part. */
  readonly dockerConfig: string
}

/** A real Docker Engine and a real containerd, the tests' own. */
export interface Engine extends EngineAddress {
  /** Variables that point docker, docker-compose and execa'd scripts to this engine. */
  readonly env: Readonly<Record<string, string>>
  /**
   * Runs the docker client. Containers start with `docker run --rm --network none …` (or `host`): there is no default
   * bridge; networks made by `docker network create` or compose work, published ports included.
   * Build with `docker build --network none …`: it is the classic builder. Throws unless `reject` is false.
   */
  readonly docker: (args: readonly string[], options?: RunOptions) => Promise<RunResult>
  /**
   * Runs containerd's client in the namespace `e2e`: `ctr images pull --plain-http HOST/NAME:TAG`,
   * `ctr run --rm HOST/NAME:TAG ID COMMAND…`. IDs must be new each time: {@link newName}. Throws unless `reject` is false.
   */
  readonly ctr: (args: readonly string[], options?: RunOptions) => Promise<RunResult>
}

/** An engine that this process started. */
export interface StartedEngine extends Engine {
  /** Removes containers and networks, ends every process and leaves no mount and no file behind. Safe to call twice. */
  readonly stop: () => Promise<void>
}

const engineNeeds = ['unshare', 'bash', 'containerd', 'dockerd', 'docker', 'ctr', 'root'] as const

/** Makes an engine that runs already usable from this process. */
export function connectEngine(address: EngineAddress): Engine {
  const env = { DOCKER_HOST: address.host, DOCKER_CONFIG: address.dockerConfig, DOCKER_BUILDKIT: '0' }
  const ctrArguments = ['--address', address.containerd, '--namespace', 'e2e']
  return {
    ...address,
    env,
    docker: (args, options = {}) => run(toolPath('docker'), args, { ...options, env: { ...env, ...options.env } }),
    ctr: (args, options) => run(toolPath('ctr'), [...ctrArguments, ...args], options),
  }
}

/** A name for a container that no other has. */
export function newName(prefix = 'e2e'): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`
}

/**
 * Starts containerd and, on it, dockerd, in a process and a mount namespace of their own: a docker or containerd that
 * the user runs is not touched, and when the namespace's first process ends — by `stop`, or because this process died,
 * however — the kernel ends every other process in it and drops its mounts.
 * No iptables rule, no default bridge, no change to ip_forward. The storage driver is the engine's choice: overlay2, else vfs.
 * Throws an Error that says why where it cannot start.
 */
export async function startEngine(): Promise<StartedEngine> {
  requireAll(engineNeeds)
  const root = await mkdtemp(join(tmpdir(), 'rge-'))
  const engine = connectEngine({
    host: `unix://${root}/docker.sock`,
    containerd: `${root}/containerd.sock`,
    dockerConfig: `${root}/client`,
  })
  await writeConfiguration(root)
  const { stop } = await startServerProcess(
    [toolPath('unshare'), ...namespaces, toolPath('bash'), `${root}/init.sh`, root],
    {
      folder: root,
      ready: () => answersPing(`${root}/docker.sock`),
    },
  )
  return { ...engine, stop }
}

const namespaces = ['--mount', '--pid', '--mount-proc', '--fork', '--kill-child'] as const

async function writeConfiguration(root: string): Promise<void> {
  await mkdir(`${root}/client`)
  await writeFile(`${root}/client/config.json`, '{}\n')
  await writeFile(`${root}/daemon.json`, '{}\n')
  await writeFile(`${root}/containerd.toml`, containerdConfiguration(root))
  await writeFile(`${root}/init.sh`, firstProcess)
}

function containerdConfiguration(root: string): string {
  return `version = 2
root = "${root}/containerd"
state = "${root}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${root}/containerd.sock"
[ttrpc]
  address = "${root}/containerd.sock.ttrpc"
`
}

/**
 * The namespace's first process, with the root folder as its argument. It ends when its standard input does, or a daemon;
 * with it everything in the namespace. bash, because it also collects the containers' orphans.
 * Networks are bridges of the machine, which outlive the namespace: they are removed first.
 */
const firstProcess = `root=$1
exec 3<&0 </dev/null
cat <&3 >/dev/null &
watcher=$!
containerd --config "$root/containerd.toml" --log-level error &
until [ -S "$root/containerd.sock" ]; do sleep 0.02; done
dockerd --config-file "$root/daemon.json" --log-level error --pidfile "$root/docker.pid" \\
  --host "unix://$root/docker.sock" --containerd "$root/containerd.sock" \\
  --data-root "$root/docker" --exec-root "$root/docker-state" \\
  --bridge none --iptables=false --ip6tables=false --ip-forward=false &
wait -n
kill -0 "$watcher" 2>/dev/null && exit 1
export DOCKER_HOST="unix://$root/docker.sock" DOCKER_CONFIG="$root/client"
containers=$(timeout 10 docker ps --all --quiet)
[ -z "$containers" ] || timeout 10 docker rm --force $containers >/dev/null
timeout 10 docker network prune --force >/dev/null
`

function answersPing(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const ping = request({ socketPath, path: '/_ping', timeout: 2_000 }, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    ping.on('error', () => resolve(false))
    ping.on('timeout', () => ping.destroy())
    ping.end()
  })
}
