import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { COMMON_FLAGS, type Command, type Flag, usageOf } from '../src/cli/command.ts'
import { loadCommands } from '../src/cli/commands.ts'

/*
 * `npm run generate`: writes docs/commands.md from the commands themselves. With --check it writes nothing and fails where the file is stale.
 */

/** Seen from .build/scripts/. */
const FILE = fileURLToPath(new URL('../../docs/commands.md', import.meta.url))

async function main(): Promise<number> {
  const text = formatReference(await loadCommands())
  if (!process.argv.includes('--check')) {
    writeFileSync(FILE, text)
    return 0
  }
  if (readFileSync(FILE, 'utf8') === text) return 0
  console.error('docs/commands.md is not what the commands say: run npm run generate and commit it')
  return 1
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
