import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run.ts'
import { NotHereError, requireAll, toolPath, toolSearchPath } from './tools.ts'

const debianRootNeeds = ['apt-get', 'debootstrap', 'tar', 'unshare', 'root'] as const

/**
 * The path of a tar archive with a minimal Debian system, the machine's own release from the machine's own mirror
 * (both as apt knows them). Made once and kept in `cache`; a made one is complete, since it gets its name last.
 * Throws an Error that says what is missing.
 */
export async function debianRoot(cache: string): Promise<string> {
  const { mirror, release } = await aptSource()
  const archive = join(cache, `debian-${release}-${process.arch}.tar`)
  if (await exists(archive)) return archive
  requireAll(debianRootNeeds)
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, `building-${process.pid}-`))
  try {
    await bootstrap(join(folder, 'root'), { mirror, release })
    await pack(join(folder, 'root'), join(folder, 'root.tar'))
    await rename(join(folder, 'root.tar'), archive)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return archive
}

interface AptSource {
  readonly mirror: string
  readonly release: string
}

/** The first source of the `main` component: a release, not its updates. */
async function aptSource(): Promise<AptSource> {
  const format = ['--format', '$(COMPONENT) $(RELEASE) $(REPO_URI)', 'Created-By: Packages']
  const { stdout } = await run(toolPath('apt-get'), ['indextargets', ...format])
  for (const line of stdout.split('\n')) {
    const [component, release = '', mirror = ''] = line.split(' ')
    if (component === 'main' && /^[a-z]+$/.test(release)) return { mirror, release }
  }
  throw new NotHereError('apt knows no packages of a Debian release; scripts/e2e-setup.sh refreshes its lists')
}

/** In namespaces of its own, so that what debootstrap mounts and starts never outlives it. */
async function bootstrap(root: string, { mirror, release }: AptSource): Promise<void> {
  const namespaces = ['--mount', '--pid', '--mount-proc', '--fork', '--kill-child']
  const command = [toolPath('debootstrap'), '--variant=minbase', release, root, mirror]
  const environment = { PATH: toolSearchPath(), DEBIAN_FRONTEND: 'noninteractive' }
  await run(toolPath('unshare'), [...namespaces, ...command], { env: environment, timeout: 600_000 })
}

async function pack(root: string, archive: string): Promise<void> {
  const left = ['./proc/*', './sys/*', './dev/*', './var/cache/apt/*', './var/lib/apt/lists/*', './var/log/*']
  const excludes = left.map(path => `--exclude=${path}`)
  await run(toolPath('tar'), [
    '--create',
    '--numeric-owner',
    ...excludes,
    `--file=${archive}`,
    `--directory=${root}`,
    '.',
  ])
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
