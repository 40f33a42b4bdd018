import { mkdir } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { serve } from '../../src/serve/server.ts'
import { makeImage } from './made-images.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { writeTree } from './write-images.ts'

/** What the program wrote, line by line, and its exit code. */
export interface Ran {
  readonly code: number
  readonly out: readonly string[]
  readonly err: readonly string[]
}

/** Runs the program in this process, on the tree in `root`; words of the line are parted by single spaces. */
export async function runLine(root: string, line: string): Promise<Ran> {
  const [command = '', ...words] = line.split(' ')
  const texts = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map(name =>
    vi.spyOn(process[name], 'write').mockImplementation(text => {
      texts[name] += String(text)
      return true
    }),
  )
  try {
    const code = await runCli([command, '--root', root, ...words])
    return { code, out: linesOf(texts.stdout), err: linesOf(texts.stderr) }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

/** A tree of two repositories and three tags, and a folder for stand-ins of programs that is all of the PATH until `vi.unstubAllEnvs`. */
export async function makeSiteTree(): Promise<{ readonly root: string; readonly bin: string }> {
  const folder = await makeTemporaryFolder()
  const [root, bin] = [join(folder, 'root'), join(folder, 'bin')]
  await mkdir(root)
  await writeTree(root, 'app', { latest: await makeImage(), '1.0': await makeImage({ seed: 'one' }) })
  await writeTree(root, 'team/tool', { latest: await makeImage({ seed: 'tool' }) })
  vi.stubEnv('PATH', bin)
  return { root, bin }
}

/** What a stand-in of `vercel` says. */
export const VERCEL = { stdout: 'https://my-project-1a2b-team.vercel.app\n' } as const

/** Serves a tree until the test ends; returns its URL without a slash at the end. */
export async function serveTree(folder: string): Promise<string> {
  const server = await serve(folder, { listen: '127.0.0.1:0' })
  onTestFinished(() => server.close())
  return server.url.replace(/\/$/, '')
}

/** Answers requests until the test ends; returns the URL. */
export async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}
