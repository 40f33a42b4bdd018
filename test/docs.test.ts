import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EMITTERS, findEmitter } from '../src/emit/hosts.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'nginx/README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
]

const TESTS = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter(
  name => name.endsWith('.test.ts') && !name.includes('node_modules'),
)

describe('the documentation', () => {
  test('has a quick start of exactly two commands', () => {
    const section = /## Quick start\n(.*?)\n## /s.exec(read('README.md'))?.[1] ?? ''
    const blocks = [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block)
    expect(blocks).toEqual(['npm ci && npm run quick-start\nnpm test\n'])
  })

  test.each(PAGES)('links to what is there: %s', page => {
    const targets = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, target]) => target ?? '')
    expect(targets.filter(target => !existsSync(join(ROOT, dirname(page), target)))).toEqual([])
  })

  test.each(EMITTERS.map(({ name }) => name))('has a row and a page for the host %s', name => {
    const emitter = findEmitter(name)
    expect(read('docs/hosts.md')).toContain(`](hosts/${name}.md)`)
    const page = read(`docs/hosts/${name}.md`)
    const lines = (/```sh\n(.*?)```/s.exec(page)?.[1] ?? '').trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toBe('registrish fetch alpine latest')
    const deploys = emitter.site === undefined ? '' : `|deploy --${name}(?: [A-Z]+)?`
    expect(lines[1]).toMatch(new RegExp(`^registrish (?:emit --host ${name}(?: --[a-z-]+ \\S+)*${deploys})$`))
    const flags = [...(lines[1] ?? '').matchAll(/--([a-z-]+)/g)].map(([, flag]) => flag)
    const known = ['host', name, ...emitter.options.map(option => option.name)]
    expect(flags.filter(flag => !known.includes(flag ?? ''))).toEqual([])
    for (const { name: option } of emitter.options) expect(page).toContain(`--${option}`)
    expect(read('README.md')).toContain(name)
  })

  test.each(PAGES)('names tests that are there: %s', page => {
    const named = [...read(page).matchAll(/`([\w/*-]+\.test\.ts)`/g)].map(([, name]) => name ?? '')
    const isThere = (name: string): boolean => {
      const pattern = new RegExp(
        `(?:^|/)${name
          .replace(/^test\//, '')
          .replaceAll('.', '\\.')
          .replaceAll('*', '[^/]*')}$`,
      )
      return TESTS.some(test => pattern.test(test))
    }
    expect(named.filter(name => !isThere(name))).toEqual([])
    if (page === 'docs/reliability.md') expect(named.length).toBeGreaterThan(10)
  })

  test('explains every error code and every exit code', () => {
    const union = /export type ErrorCode =\n((?: {2}\| '[a-z-]+'\n)+)/.exec(read('src/errors.ts'))?.[1] ?? ''
    const codes = [...union.matchAll(/'([a-z-]+)'/g)].map(([, code]) => `\`${code}\``)
    expect(codes.length).toBeGreaterThan(10)
    expect(codes.filter(code => !read('docs/errors.md').includes(code))).toEqual([])
    const exits = [...read('src/cli/exit-code.ts').matchAll(/^ {2}\w+: (\d+),$/gm)].map(([, code]) => `| ${code} |`)
    expect(exits.length).toBeGreaterThan(5)
    expect(exits.filter(row => !read('docs/errors.md').includes(row))).toEqual([])
  })

  test('has programs that compile against the front door', { timeout: 60_000 }, () => {
    const programs = PAGES.flatMap(page => [...read(page).matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? ''))
    expect(programs.length).toBeGreaterThan(1)
    const folder = mkdtempSync(join(ROOT, '.build-docs-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    programs.forEach((code, index) => {
      writeFileSync(join(folder, `${index}.ts`), code.replaceAll("from 'registrish'", "from '../src/index.ts'"))
    })
    const options = {
      extends: '../tsconfig.json',
      compilerOptions: { isolatedDeclarations: false, declaration: false },
      files: programs.map((_, index) => `${index}.ts`),
      include: [],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(options))
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
    const { stdout } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' })
    expect(stdout).toBe('')
  })
})

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}
