import { expect, test } from 'vitest'
import { parseCommandLine } from '../../src/cli/parse.ts'
import { hostNames } from '../../src/emit/hosts.ts'

test.each([
  [['fech'], 'there is no such command: fech', 'did you mean registrish fetch?'],
  [['-o', 'json', 'fech'], 'there is no such command: fech', 'did you mean registrish fetch?'],
  [['zzzzzz'], 'there is no such command: zzzzzz', 'registrish --help shows what there is'],
  [['fetch'], 'fetch needs <image>', 'registrish fetch --help shows what there is'],
  [['remove', 'list', '--bogus'], 'remove does not take --bogus', 'registrish remove --help shows what there is'],
  [['list', 'a', 'b'], 'list does not take "b"', 'registrish list --help shows what there is'],
  [['list', '--root'], '--root needs a value', 'registrish list --help shows what there is'],
  [['list', '-o'], '-o needs a value', 'registrish list --help shows what there is'],
  [['list', '-o', 'xml'], '--output takes text, json, ndjson, not "xml"', 'registrish list --help shows what there is'],
  [
    ['emit', '--host', 'nginx,iis'],
    `--host takes ${hostNames()}, github-pages, gitlab-pages, surge, not "iis"`,
    'registrish emit --help shows what there is',
  ],
])('%j: %s', async (words, message, hint) => {
  await expect(parseCommandLine(words)).rejects.toMatchObject({ code: 'usage', message, hint })
})

test('common flags may stand before the command', async () => {
  const parsed = await parseCommandLine(['-q', 'list', '--root', 'x'])
  expect(parsed).toMatchObject({ type: 'command', command: { name: 'list' }, args: { quiet: true, root: 'x' } })
})

test('a flag of choices that may be repeated takes a comma list', async () => {
  const parsed = await parseCommandLine(['emit', '--host', 'nginx,nginx'])
  expect(parsed).toMatchObject({ args: { host: ['nginx', 'nginx'] } })
})
