// What `npm run build` does: dist/ from src/. Types by the compiler, one file a module; code by the bundler, few files, since each costs start-up time.
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')

rmSync(dist, { recursive: true, force: true })
const { status, error } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (error !== undefined) throw error
if (status === 0) await bundle()
process.exitCode = status ?? 1

/** Chunks stand as deep in dist/ as modules do in src/, from where package.json is found. Dependencies stay where npm puts them. */
async function bundle() {
  const bundled = await rolldown({
    cwd: root,
    input: { index: 'src/index.ts', 'cli/main': 'src/cli/main.ts' },
    platform: 'node',
    external: /^[^./]/,
    transform: { target: 'node20.19' },
  })
  const { output } = await bundled.write({
    dir: dist,
    format: 'esm',
    chunkFileNames: 'chunks/[name].js',
    comments: false,
  })
  const misplaced = output.find(({ fileName, code }) => !fileName.includes('/') && code?.includes('import.meta'))
  if (misplaced !== undefined) throw new Error(`${misplaced.fileName} would look for package.json in the wrong folder`)
  chmodSync(join(dist, 'cli/main.js'), 0o755)
}
