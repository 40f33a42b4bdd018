import type * as fs from 'node:fs'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import type * as promises from 'node:fs/promises'
import { chown, open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { flushFolder } from '../../src/tree/files.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { expectSafe, type Story } from './support/power-loss.ts'
import { isKnown } from './support/record-fs.ts'
import { record } from './support/recorder.ts'

vi.mock('node:fs', async original => (await import('./support/record-fs.ts')).recordFs(await original<typeof fs>()))
vi.mock('node:fs/promises', async original =>
  (await import('./support/record-fs.ts')).recordPromises(await original<typeof promises>()),
)

/*
 * That the disk of these tests loses what a disk may lose, and that what code does to it is seen: programs of a few lines, right ones and wrong ones.
 */

/** How a small program replaces the file `name`, which says "old". */
type Program = (root: string) => Promise<unknown>

/** Writes `new` beside it, as far as the program goes. */
async function writeBeside(root: string, flush: 'awaited' | 'not awaited' | 'none'): Promise<void> {
  const handle = await open(join(root, 'temporary'), 'wx')
  await handle.writeFile('new')
  const flushing = flush === 'none' ? undefined : handle.datasync()
  if (flush === 'awaited') await flushing
  await rename(join(root, 'temporary'), join(root, 'name'))
  await flushing
  await handle.close()
}

const judge: NonNullable<Story['judge']> = async ({ state }) => {
  const entry = state.get('name')
  const text = entry?.kind === 'file' ? entry.content.toString() : 'nothing'
  return text === 'old' || text === 'new' ? [] : [`name says ${JSON.stringify(text)}`]
}

function replacing(run: Program): Story {
  const prepare = async (root: string): Promise<void> => writeFileSync(join(root, 'name'), 'old')
  const again = async (root: string): Promise<void> => writeFileSync(join(root, 'name'), 'new')
  return { prepare, run, again, judge, compared: path => path === 'name' }
}

describe('a program that replaces a file', () => {
  test('is safe where it flushes what it wrote, then renames', async () => {
    const { cuts, judged } = await expectSafe(replacing(root => writeBeside(root, 'awaited')))
    expect([cuts, judged]).toEqual([5, 6])
  })

  test.each<{ readonly name: string; readonly run: Program; readonly says: RegExp }>([
    { name: 'does not flush', run: root => writeBeside(root, 'none'), says: /power lost.*\n.*name says "\\u0000/ },
    { name: 'does not wait for the flush', run: root => writeBeside(root, 'not awaited'), says: /name says ""/ },
    {
      name: 'writes in place',
      run: async root => writeFileSync(join(root, 'name'), 'new', { flush: true }),
      says: /killed.*\n.*name says ""/,
    },
    {
      name: 'deletes the old one first',
      run: async root => {
        await unlink(join(root, 'name'))
        await writeBeside(root, 'awaited')
      },
      says: /name says "nothing"/,
    },
  ])('is not where it $name', async ({ run, says }) => {
    await expect(expectSafe(replacing(run))).rejects.toThrow(says)
  })
})

describe('a program that makes one file and another that names it', () => {
  const make = (flush: boolean): Story => ({
    run: async root => {
      writeFileSync(join(root, 'named'), 'bytes', { flush: true })
      if (flush) await flushFolder(root)
      writeFileSync(join(root, 'naming'), 'named', { flush: true })
    },
    judge: async ({ state }) => (state.has('naming') && !state.has('named') ? ['it names what is not there'] : []),
    compared: path => path.startsWith('nam'),
    again: async root => {
      for (const [name, text] of Object.entries({ named: 'bytes', naming: 'named' }))
        writeFileSync(join(root, name), text)
    },
  })

  test('is safe where it flushes the folder in between', async () => {
    expect((await expectSafe(make(true))).cuts).toBe(9)
  })

  test('is not where it does not', async () => {
    await expect(expectSafe(make(false))).rejects.toThrow(/last of the loose names.*\n.*it names what is not there/)
  })
})

describe('what the recorder does not know', () => {
  const unknown: Readonly<Record<string, (file: string) => unknown>> = {
    'node:fs/promises chown': file => chown(file, 0, 0),
    'node:fs cpSync': file => cpSync(file, `${file}-2`),
    'FileHandle.createWriteStream': async file => {
      const handle = await open(file, 'r+')
      try {
        handle.createWriteStream()
      } finally {
        await handle.close()
      }
    },
  }

  test.each(Object.entries(unknown))('%s fails, and is found out where that is swallowed', async (name, change) => {
    const root = await makeTemporaryFolder()
    const file = join(root, 'file')
    writeFileSync(file, 'text')
    const swallow = async (): Promise<unknown> =>
      Promise.resolve(file)
        .then(change)
        .catch(() => {})
    expect([...(await record(root, swallow)).unknown]).toEqual([name])
    expect(readFileSync(file, 'utf8')).toBe('text')
    await expect(
      expectSafe({ run: async folder => record(folder, swallow), judge: async () => [] }),
    ).resolves.toBeDefined()
  })

  test('src/ does not use, in whatever folder', async () => {
    const source = fileURLToPath(new URL('../../src', import.meta.url))
    const names = (await readdir(source, { recursive: true })).filter(name => name.endsWith('.ts'))
    const found: string[] = []
    let imports = 0
    for (const name of names) {
      const text = await readFile(join(source, name), 'utf8')
      for (const [line, type, list, module] of text.matchAll(IMPORT)) {
        if (type !== undefined) continue
        imports += 1
        const functions = list === undefined ? [line] : list.split(',').map(item => item.trim())
        for (const item of functions) {
          if (item === '' || item.startsWith('type ')) continue
          if (list === undefined || !isKnown(module ?? '', item.split(' as ')[0] ?? '')) found.push(`${name}: ${item}`)
        }
      }
      if (/getBuiltinModule|createRequire|process\.binding/.test(text)) found.push(`${name}: a way round imports`)
    }
    expect(found).toEqual([])
    expect(imports).toBeGreaterThan(30)
  })
})

/** An import of node:fs or node:fs/promises, of names in braces or of the whole. */
const IMPORT = /^import (type )?(?:\{([^}]*)\}|[^'{]*) from '(node:fs(?:\/promises)?)'/gm
