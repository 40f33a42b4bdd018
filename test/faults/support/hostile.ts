import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { formatError } from '../../../src/cli/format.ts'
import type { ErrorCode, RegistrishError, Side } from '../../../src/errors.ts'
import type { FetchOptions } from '../../../src/fetch/options.ts'
import { fetchAll, fetchError } from '../../fetch/fetch-support.ts'
import { makeMultiPlatform } from '../../support/made-images.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { writeLayout } from '../../support/write-images.ts'

/** What is fetched, and how. */
export interface Attempt {
  readonly image: string
  readonly tags?: readonly string[]
  /** Default: into `app`, which holds an image from elsewhere. */
  readonly options?: FetchOptions
}

/** How it must be refused. */
export interface Refusal {
  readonly code: ErrorCode
  /** Default `source`; `undefined` for what the user wrote. */
  readonly side?: Side | undefined
  /** What the hint says; `undefined`: there is none, since the message says all. */
  readonly hint: RegExp | undefined
  readonly message?: RegExp
}

/** Tries to fetch into a tree that holds an image, and expects the refusal; the published files are as before, byte for byte. */
export async function expectRefused(attempt: Attempt, refusal: Refusal): Promise<RegistrishError> {
  const root = await makeHonestTree()
  const before = await photograph(join(root, 'v2'))
  const error = await fetchError(attempt.image, attempt.tags ?? [], {
    root,
    ...(attempt.options ?? { as: 'app', force: true }),
  })
  const side = 'side' in refusal ? refusal.side : 'source'
  expect(`${error.code}, side ${error.side}`, error.message).toBe(`${refusal.code}, side ${side}`)
  if (refusal.hint === undefined) expect(error.hint).toBeUndefined()
  else expect(error.hint, error.message).toMatch(refusal.hint)
  if (refusal.message !== undefined) expect(error.message).toMatch(refusal.message)
  expectFitForTerminal(error)
  expect(await photograph(join(root, 'v2'))).toEqual(before)
  expect(await readdir(join(root, '.registrish/incoming')).catch(() => [])).toEqual([])
  return error
}

/** Fetches into a tree that holds an image, and gives its root; what was there is as before. */
export async function expectFetched(attempt: Attempt): Promise<string> {
  const root = await makeHonestTree()
  const before = await photograph(join(root, 'v2/honest'))
  await fetchAll(attempt.image, attempt.tags ?? [], { root, ...(attempt.options ?? { as: 'app', force: true }) })
  expect(await photograph(join(root, 'v2/honest'))).toEqual(before)
  return root
}

/** A message and its hint, as the terminal gets them: two lines at most, of a length that can be read, of characters that can be seen. */
function expectFitForTerminal(error: RegistrishError): void {
  const lines = formatError(error).split('\n')
  expect(lines.length, JSON.stringify(lines)).toBe(error.hint === undefined ? 1 : 2)
  for (const line of lines) {
    expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u)
    expect(line.length).toBeLessThan(1500)
  }
}

/** Everything in a folder: kind, mode, and bytes or target, by path. */
export async function photograph(folder: string): Promise<ReadonlyMap<string, string>> {
  const paths = ['', ...(await readdir(folder, { recursive: true })).sort()]
  const entries = paths.map(async path => {
    const file = join(folder, path)
    const stats = await lstat(file)
    const mode = (stats.mode & 0o7777).toString(8)
    if (stats.isDirectory()) return [path, `folder ${mode}`] as const
    if (stats.isSymbolicLink()) return [path, `link ${await readlink(file)}`] as const
    return [path, `file ${mode} ${(await readFile(file)).toString('hex')}`] as const
  })
  return new Map(await Promise.all(entries))
}

async function makeHonestTree(): Promise<string> {
  const [root, layout] = [await makeTemporaryFolder(), await makeTemporaryFolder()]
  await writeLayout(layout, { latest: await makeMultiPlatform({ seed: 'honest' }) })
  for (const as of ['app', 'honest']) await fetchAll(`oci:${layout}:latest`, [], { root, as })
  return root
}
