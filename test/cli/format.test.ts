import { describe, expect, test } from 'vitest'
import { exitCodeOf } from '../../src/cli/exit-code.ts'
import { formatBytes, formatDuration, formatError, formatTable, printable, shortDigest } from '../../src/cli/format.ts'
import { parseCommandLine } from '../../src/cli/parse.ts'
import { RegistrishError } from '../../src/errors.ts'

describe('what is printed', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [99_400, '99.4 kB'],
    [99_600, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [1_234_567_890_123_456, '1235 TB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  test.each([
    [40, '0.0 s'],
    [59_900, '59.9 s'],
    [125_000, '2 min 5 s'],
  ])('%d ms are %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text)
  })

  test('a table has columns as wide as their cells and no trailing blanks', () => {
    expect(
      formatTable(
        ['A', 'B'],
        [
          ['long', 'x'],
          ['y', ''],
        ],
      ),
    ).toEqual(['A     B', 'long  x', 'y'])
  })

  test('a table may have more rows than a call takes arguments', () => {
    const rows = Array.from({ length: 300_000 }, (_, number) => [`app:${number}`, 'x'])
    expect(formatTable(['IMAGE', 'B'], rows).at(-1)).toBe('app:299999  x')
  })

  test('text from elsewhere cannot move the cursor or reverse the line', () => {
    expect(printable('a\u001b[2Jb\r\u202ec\nd\te')).toBe('a\ufffd[2Jb\ufffd\ufffdc\nd\te')
  })

  test('an error is a sentence, and below it the way out', () => {
    expect(formatError(new RegistrishError('io', 'it failed', { hint: 'do that' }))).toBe('it failed\n  do that')
    expect(formatError(new RegistrishError('io', 'it failed'))).toBe('it failed')
  })

  test('a digest is cut as engines cut it', () => {
    expect(shortDigest(`sha256:${'a'.repeat(64)}`)).toBe('sha256:aaaaaaaaaaaa')
  })
})

describe('exit codes', () => {
  test.each([
    ['usage', 64],
    ['name-invalid', 64],
    ['rate-limited', 4],
    ['not-found', 5],
    ['aborted', 130],
    ['no-space', 1],
  ] as const)('%s is %d', (code, exit) => {
    expect(exitCodeOf(code)).toBe(exit)
  })
})

describe('the command line', () => {
  test('takes tags as they are written, wherever flags stand', async () => {
    for (const words of [
      ['fetch', '--platform', 'linux/amd64', 'app', '1.10', '007', '1e3'],
      ['fetch', 'app', '1.10', '--platform', 'linux/amd64', '007', '1e3'],
      ['fetch', 'app', '--dry-run', '1.10', '007', '1e3', '--platform=linux/amd64'],
    ]) {
      const parsed = await parseCommandLine(words)
      if (parsed.type !== 'command') throw new Error('no command')
      expect(parsed.command.name).toBe('fetch')
      expect(parsed.args).toMatchObject({ image: 'app', tag: ['1.10', '007', '1e3'], platform: 'linux/amd64' })
    }
  })

  test('collects repeated flags', async () => {
    const parsed = await parseCommandLine([
      'fetch',
      'app',
      '--platform',
      'a/b',
      '--platform',
      'c/d,e/f',
      '--tags',
      '1.*',
    ])
    expect(parsed).toMatchObject({ args: { platform: ['a/b', 'c/d,e/f'], tags: '1.*', tag: [] } })
  })

  test.each([
    [['fetch']],
    [['fetch', 'a', '--root']],
    [['fetch', 'a', '--output', 'xml']],
    [['list', 'a', 'b']],
    [['nothing']],
    [[]],
  ])('%j is a usage error', async words => {
    await expect(parseCommandLine(words)).rejects.toMatchObject({ code: 'usage' })
  })

  test.each(['fetch', 'list', 'serve', 'emit', 'verify', 'remove', 'prune'])(
    '%s --help shows its examples',
    async name => {
      const parsed = await parseCommandLine([name, '--help'])
      expect(parsed).toMatchObject({ type: 'text', text: expect.stringContaining(`registrish ${name}`) })
      expect(parsed).toMatchObject({ text: expect.stringContaining('Examples:') })
    },
  )
})
