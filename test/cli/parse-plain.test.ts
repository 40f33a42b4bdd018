import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { loadCommands } from '../../src/cli/commands.ts'
import { parseCommandLine } from '../../src/cli/parse.ts'
import { parsePlainLine } from '../../src/cli/parse-plain.ts'

/** What commands may look at: yargs adds names of its own. */
function known(command: Command, args: Readonly<Record<string, unknown>>): object {
  const names = ['output', 'quiet', ...[...command.positionals, ...command.flags].map(({ name }) => name)]
  return Object.fromEntries(names.map(name => [name, args[name]]))
}

const plain = [
  'list',
  'list --root x',
  'list --root=x app',
  'list app --root x -o json',
  'list -q',
  'list --quiet --output ndjson *',
  'fetch alpine',
  'fetch alpine latest 1.10 007 1e3',
  'fetch alpine 1.10 --platform linux/amd64 --jobs 2',
  'fetch alpine --platform linux/amd64 --platform linux/arm64,linux/s390x 3 4',
  'fetch alpine --all-tags --dry-run',
  'fetch __proto__ constructor',
  'fetch docker-archive:x.tar --as a/b',
  'verify --complete --repair',
  'remove app:1 app:2',
  'prune --dry-run',
  'emit --host nginx',
  'emit --host nginx --host apache',
  'serve --listen 127.0.0.1:0',
]

describe('a plain command line', () => {
  test.each(plain)('registrish %s: read without yargs, as yargs reads it', async line => {
    const words = line.split(' ')
    const quick = await parsePlainLine(words)
    const slow = await parseCommandLine(words)
    if (quick === undefined || slow.type !== 'command') throw new Error(`not plain: ${line}`)
    expect(quick.command).toBe(slow.command)
    expect(known(quick.command, quick.args)).toEqual(known(slow.command, slow.args))
  })

  test('is each example of each command that has neither quotes nor commas', async () => {
    const commands = await loadCommands()
    const lines = commands
      .flatMap(({ examples }) => examples.map(({ line }) => line))
      .filter(line => /^[^"'|$,]+$/.test(line))
    expect(lines.length).toBeGreaterThan(10)
    for (const line of lines) {
      const words = line.split(' ').slice(1)
      const quick = await parsePlainLine(words)
      const slow = await parseCommandLine(words)
      if (quick === undefined || slow.type !== 'command') throw new Error(`not plain: ${line}`)
      expect(known(quick.command, quick.args), line).toEqual(known(slow.command, slow.args))
    }
  })
})

describe('left to yargs', () => {
  const lines = [
    '',
    '--help',
    '--version',
    'completion',
    'lst',
    'list --help',
    'list -h',
    'list --rot x',
    'list --root',
    'list --root= x',
    'list --root --quiet',
    'list --root a --root b',
    'list --output yaml',
    'list --quiet=true',
    'list --no-quiet',
    'list a b',
    'list -- a',
    'list -',
    'list help',
    'verify --repair false',
    'fetch --dry-run true alpine',
    'list -oq json',
    'list -ojson',
    'list --outp json',
    '--root x list',
    'fetch',
    'remove',
    'emit --host nginx,apache',
    'list --get-yargs-completions',
  ]
  test.each(lines)('registrish %s', async line => {
    expect(await parsePlainLine(line.split(' '))).toBeUndefined()
  })
})
