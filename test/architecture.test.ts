import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  everythingHasARoom,
  heavyLibrariesAreLazy,
  importsGoLeft,
  noCircles,
  onlyCliPrints,
  onlyLayoutKnowsPaths,
  type Rule,
  startIsLight,
} from './support/architecture.ts'
import { parseSourceGraph, readSourceGraph, type SourceGraph } from './support/source-graph.ts'

const RULES: Readonly<Record<string, Rule>> = {
  'every file has its room': everythingHasARoom,
  'imports go to the left, siblings keep apart': importsGoLeft,
  'no file imports itself by a way round': noCircles,
  'only tree/layout.ts knows where things stand in a tree': onlyLayoutKnowsPaths,
  'only the command line prints': onlyCliPrints,
  'heavy libraries stay in their rooms and are imported when needed': heavyLibrariesAreLazy,
  'the command line starts without heavy libraries': startIsLight,
}

describe('the law of the house', () => {
  let graph: SourceGraph
  beforeAll(async () => {
    graph = await readSourceGraph(fileURLToPath(new URL('../src', import.meta.url)))
  })

  test('is read from the real program, all of it', () => {
    expect(graph.files.size).toBeGreaterThan(100)
    expect(graph.imports.filter(({ internal }) => internal).length).toBeGreaterThan(400)
    expect([...graph.files.keys()]).toEqual(expect.arrayContaining(['errors.ts', 'tree/layout.ts', 'cli/main.ts']))
    expect(new Set(graph.imports.map(({ kind }) => kind))).toEqual(new Set(['static', 'type', 'dynamic']))
    for (const library of ['undici', 'execa', 'yargs']) expect(graph.imports.map(({ to }) => to)).toContain(library)
  })

  test.each(Object.entries(RULES))('%s', (_, rule) => {
    expect(rule(graph)).toEqual([])
  })
})

describe('a program that breaks the law is found out', () => {
  const breaches: Readonly<Record<string, readonly [Rule, Readonly<Record<string, string>>]>> = {
    'a room that the law does not know': [everythingHasARoom, { 'utils/all.ts': '' }],
    'an import of a file that is not there': [everythingHasARoom, { 'oci/a.ts': "import { b } from './b.js'" }],
    'an import that is computed': [everythingHasARoom, { 'http/a.ts': 'const it = await import(name)' }],
    'a noun that knows a verb': [importsGoLeft, { 'tree/a.ts': "import { b } from '../fetch/b.ts'", 'fetch/b.ts': '' }],
    'a verb that knows another verb': [
      importsGoLeft,
      { 'serve/a.ts': "export * from '../fetch/b.ts'", 'fetch/b.ts': '' },
    ],
    'siblings among the nouns': [
      importsGoLeft,
      { 'tree/a.ts': "import type { B } from '../http/b.ts'", 'http/b.ts': '' },
    ],
    'a step to the right by a dynamic import': [
      importsGoLeft,
      { 'oci/a.ts': "const { b } = await import('../copy/b.ts')", 'copy/b.ts': '' },
    ],
    'a step to the right by an import of several lines': [
      importsGoLeft,
      { 'oci/a.ts': "import {\n  type B,\n  b,\n} from '../index.ts'", 'index.ts': '' },
    ],
    'a verb that knows a story': [importsGoLeft, { 'fetch/a.ts': "import '../doctor.ts'", 'doctor.ts': '' }],
    'a circle of three': [
      noCircles,
      {
        'oci/a.ts': "import { b } from './b.ts'",
        'oci/b.ts': "import type { C } from './c.ts'",
        'oci/c.ts': "export type A = import('./a.ts').A",
      },
    ],
    'a private path elsewhere': [onlyLayoutKnowsPaths, { 'copy/a.ts': "join(root, '.registrish', 'x')" }],
    'a public path elsewhere': [onlyLayoutKnowsPaths, { 'serve/a.ts': `const file = \`v2/\${name}/blobs\`` }],
    'a log line': [onlyCliPrints, { 'copy/a.ts': "console.log('here')" }],
    'a write to the terminal': [onlyCliPrints, { 'http/a.ts': 'process.stderr.write(text)' }],
    'undici outside http': [heavyLibrariesAreLazy, { 'registry/a.ts': "const { Agent } = await import('undici')" }],
    'a part of undici at once': [heavyLibrariesAreLazy, { 'http/a.ts': "import x from 'undici/lib/x.js'" }],
    'undici at once': [heavyLibrariesAreLazy, { 'http/a.ts': "import { Agent } from 'undici'" }],
    'execa at once': [heavyLibrariesAreLazy, { 'fetch/a.ts': "import { type Options, execa } from 'execa'" }],
    'yargs in the library': [heavyLibrariesAreLazy, { 'fetch/a.ts': "import yargs from 'yargs'" }],
    'the SDK outside deploy': [
      heavyLibrariesAreLazy,
      { 'tree/a.ts': "const sdk = await import('@aws-sdk/client-s3')" },
    ],
    'the SDK at once': [heavyLibrariesAreLazy, { 'deploy/a.ts': "import { S3Client } from '@aws-sdk/client-s3'" }],
    'its signer at once': [
      heavyLibrariesAreLazy,
      { 'deploy/a.ts': "import { SignatureV4 } from '@smithy/signature-v4'" },
    ],
    'a heavy start': [
      startIsLight,
      { 'cli/main.ts': "import '../layout/a.ts'", 'layout/a.ts': "import { extract } from 'tar-stream'" },
    ],
  }

  test.each(Object.entries(breaches))('%s', (_, [rule, files]) => {
    expect(rule(parseSourceGraph(new Map(Object.entries(files))))).toHaveLength(1)
  })

  test('and one that keeps it is not', () => {
    const files = {
      'errors.ts': '/** Not console.log, not "v2/" and not import(x). */',
      'oci/a.ts':
        "export interface A {\n  readonly kind: 'a' | 'b'\n}\nimport { error } from '../errors.ts'\nconst pattern = /['\"`]/ // import('x')",
      'tree/layout.ts': "import { a } from '../oci/a.ts'\nexport const PRIVATE = '.registrish'",
      'http/a.ts': "import type { Agent } from 'undici'\nconst lazy = await import('undici')",
      'registry/a.ts': `import {\n  get,\n} from '../http/a.ts'\nconst url = \`\${base}/v2/\${name}\``,
      'fetch/a.ts': "const hint = 'v2/ holds it, and .registrish/ is private'\nexport { a } from '../oci/a.ts'",
      'cli/main.ts': "import yargs from 'yargs'\nconsole.log(await import('../fetch/a.ts'))",
    }
    const graph = parseSourceGraph(new Map(Object.entries(files)))
    expect(graph.imports).toHaveLength(8)
    for (const rule of Object.values(RULES)) expect(rule(graph)).toEqual([])
  })
})
