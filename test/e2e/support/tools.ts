import { delimiter } from 'node:path'
import { findProgram, searchFolders } from '../../../scripts/shared/find-program.ts'
import { findHostTool, isHostTool } from './host-tools.ts'
import { areStoresNamed } from './object-store-names.ts'
import { run } from './run.ts'

/**
 * The programs that end-to-end tests may need, by command name. `scripts/e2e-setup.sh` installs all of them on Debian 12.
 * `unshare` is util-linux's and there on every Linux.
 */
export type Tool = keyof typeof versionArguments

const versionArguments = {
  apache2: ['-v'],
  'apt-get': ['--version'],
  'azurite-blob': ['--version'],
  bash: ['--version'],
  buildah: ['--version'],
  busybox: ['--help'],
  caddy: ['version'],
  containerd: ['--version'],
  crane: ['version'],
  ctr: ['--version'],
  debootstrap: ['--version'],
  docker: ['--version'],
  runc: ['--version'],
  'docker-compose': ['--version'],
  'docker-registry': ['--version'],
  dockerd: ['--version'],
  'fake-gcs-server': ['-h'],
  htpasswd: [],
  lighttpd: ['-v'],
  minio: ['--version'],
  netlify: ['--version'],
  nginx: ['-v'],
  openssl: ['version'],
  podman: ['--version'],
  rsync: ['--version'],
  s3rver: ['--version'],
  skopeo: ['--version'],
  superstatic: ['--version'],
  tar: ['--version'],
  unshare: ['--version'],
  versitygw: ['--version'],
  wrangler: ['--version'],
} as const

/** The path of a tool; undefined where it is not here. */
function findTool(tool: Tool): string | undefined {
  return isHostTool(tool) ? findHostTool(tool) : findProgram(tool)
}

/** The path of a tool, for tests that run only where it is; throws a {@link NotHereError} where it is not. */
export function toolPath(tool: Tool): string {
  const path = findTool(tool)
  if (path === undefined) throw new NotHereError(absence(tool))
  return path
}

/** The first line that a tool prints about its version; an Error where the tool is absent. */
export async function toolVersion(tool: Tool): Promise<string> {
  const { stdout, stderr } = await run(toolPath(tool), versionArguments[tool], { reject: false })
  return (stdout || stderr).split('\n')[0] ?? ''
}

/** What a machine has or lacks, beside tools: `root` is user id 0, `store-names` that {@link areStoresNamed}. */
export type Condition = 'root' | 'store-names'

/** Why these needs are not met here, in one sentence with the way out; undefined when all are. */
export function missing(needs: readonly (Tool | Condition)[]): string | undefined {
  const absent = needs.filter(isTool).filter(tool => findTool(tool) === undefined)
  const [first] = absent
  if (first !== undefined) return absent.length === 1 ? absence(first) : `${absent.join(', ')} are not here; ${wayOut}`
  if (needs.includes('root') && process.getuid?.() !== 0) return 'needs root: run the tests as root'
  if (needs.includes('store-names') && !areStoresNamed())
    return 'the names of buckets have no address here; scripts/e2e-setup.sh adds them to /etc/hosts'
  return undefined
}

function isTool(need: Tool | Condition): need is Tool {
  return need !== 'root' && need !== 'store-names'
}

/** Something that a test needs and that this machine does not have; the message is one sentence with the way out. */
export class NotHereError extends Error {
  override readonly name = 'NotHereError'
}

/** Throws a {@link NotHereError} where {@link missing} says that something is. */
export function requireAll(needs: readonly (Tool | Condition)[]): void {
  const reason = missing(needs)
  if (reason !== undefined) throw new NotHereError(reason)
}

/** PATH for child processes, with the folders that {@link findProgram} adds. */
export function toolSearchPath(): string {
  return searchFolders().join(delimiter)
}

const wayOut = 'scripts/e2e-setup.sh installs what is missing'

function absence(tool: Tool): string {
  return `${tool} is not here; scripts/e2e-setup.sh installs it`
}
