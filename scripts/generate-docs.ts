import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { COMMON_FLAGS, type Command, type Flag, usageOf } from '../src/cli/command.ts'
import { loadCommands } from '../src/cli/commands.ts'
import { ALL_CHECKS } from '../src/doctor/checks.ts'
import type { Words } from '../src/doctor/fix-rules.ts'
import { FIXES } from '../src/doctor/fix-table.ts'
import { MARKS } from '../src/doctor/recognise.ts'

/*
 * `npm run generate`: writes docs/commands.md from the commands themselves, and the list of checks in docs/doctor.md from the checks. With --check it writes
 * nothing and fails where a file is stale.
 */

async function main(): Promise<number> {
  const reference = formatReference(await loadCommands())
  const pages = [
    { path: 'docs/commands.md', make: () => reference },
    { path: 'docs/doctor.md', make: (text: string) => withChecks(text) },
  ]
  const stale = pages.filter(({ path, make }) => {
    // Seen from .build/scripts/.
    const file = fileURLToPath(new URL(`../../${path}`, import.meta.url))
    const before = readFileSync(file, 'utf8')
    const after = make(before)
    if (!process.argv.includes('--check')) writeFileSync(file, after)
    return after !== before
  })
  if (!process.argv.includes('--check')) return 0
  for (const { path } of stale)
    console.error(`${path} is not what the program says: run npm run generate and commit it`)
  return stale.length === 0 ? 0 : 1
}

const BEGIN = '<!-- The list below is made by npm run generate. -->'

/** The page with its list of checks made anew: all that follows the mark. */
function withChecks(page: string): string {
  const [text, rest] = page.split(BEGIN)
  if (text === undefined || rest === undefined) throw new Error(`docs/doctor.md has no line ${BEGIN}`)
  const told = new Map<string, string>()
  return `${text}${BEGIN}\n\n${ALL_CHECKS.flatMap(check => formatCheck(check, told)).join('\n')}`
}

/** `told`: of which check a rule of a host has been told, so that it is told once. */
function formatCheck({ name, must, why }: (typeof ALL_CHECKS)[number], told: Map<string, string>): readonly string[] {
  const { always, on = {} } = FIXES[name]
  const hosts = new Map<string, string[]>()
  for (const [host, words] of Object.entries(on)) {
    const key = `${host} ${JSON.stringify(words)}`
    const before = told.get(key)
    if (before === undefined) told.set(key, name)
    const text = before === undefined ? formatWords(words) : `as for [${before}](#${before})`
    hosts.set(text, [...(hosts.get(text) ?? []), titleOf(host)])
  }
  const rows = [...hosts].map(([text, titles]) => `- ${titles.join(', ')}: ${text}`)
  return [
    `### ${name}`,
    '',
    `${must} ${why}`,
    '',
    `What to do: ${always}.`,
    '',
    ...rows,
    ...(rows.length > 0 ? [''] : []),
  ]
}

/** What follows a host's name in a list: a rule of several lines is a block of its own. */
function formatWords(words: Words): string {
  if (typeof words === 'string') return words
  const { text, rule } = words
  if (!rule.includes('\n')) return `${text}: \`${rule}\``
  const lines = ['```', ...rule.split('\n'), '```'].map(line => `  ${line}`)
  return `${text}:\n\n${lines.join('\n')}\n`
}

function titleOf(host: string): string {
  return MARKS.find(mark => mark.host === host)?.title ?? host
}

function formatReference(commands: readonly Command[]): string {
  const contents = commands.map(
    ({ name, summary }) => `- [\`registrish ${name}\`](#registrish-${name}): ${summary.toLowerCase()}`,
  )
  return [
    '# Commands',
    '',
    'Made from the commands themselves by `npm run generate`; do not edit. What exit codes mean: [errors.md](errors.md).',
    '',
    ...contents,
    '',
    'Every command also takes:',
    '',
    ...formatFlags(COMMON_FLAGS),
    '',
    '`--help` shows these and the flags of a command. `registrish completion >> ~/.bashrc` (or `~/.zshrc`) completes commands and flags.',
    '',
    ...commands.flatMap(formatCommand),
  ].join('\n')
}

function formatCommand(command: Command): readonly string[] {
  const positionals = command.positionals.map(({ name, describe }) => `- \`${name}\`: ${describe}`)
  return [
    `## registrish ${command.name}`,
    '',
    '```',
    `registrish ${usageOf(command)}`,
    '```',
    '',
    ...command.details.flatMap(text => [text, '']),
    ...(positionals.length > 0 ? [...positionals, ''] : []),
    ...formatFlags(command.flags),
    '',
    'Examples:',
    '',
    '```sh',
    ...command.examples.flatMap(({ line, text }) => [`# ${text}`, line]),
    '```',
    '',
  ]
}

function formatFlags(flags: readonly Flag[]): readonly string[] {
  return ['| flag | meaning | default |', '|---|---|---|', ...flags.map(formatFlag)]
}

function formatFlag(flag: Flag): string {
  const value = flag.value === undefined ? '' : ` ${flag.value}`
  const alias = flag.alias === undefined ? '' : `, \`-${flag.alias}\``
  const choices = flag.choices === undefined ? '' : `: ${flag.choices.join(', ')}`
  const repeated = flag.repeated === true ? '; may be repeated, or take a comma list' : ''
  return `| \`--${flag.name}${value}\`${alias} | ${flag.describe}${choices}${repeated} | ${flag.default ?? ''} |`.replaceAll(
    '"',
    '`',
  )
}

process.exitCode = await main()
