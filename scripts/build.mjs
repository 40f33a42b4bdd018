// What `npm run build` does: dist/ from src/, the command line made executable.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
const main = join(root, 'dist/cli/main.js')

rmSync(join(root, 'dist'), { recursive: true, force: true })
const { status, error } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (error !== undefined) throw error
if (status === 0 && existsSync(main)) chmodSync(main, 0o755)
process.exitCode = status ?? 1
