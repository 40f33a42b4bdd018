import yargs, { type Argv, type Options } from 'yargs'
import { RegistrishError } from '../errors.ts'
import { type Arguments, COMMON_FLAGS, type Command, type Flag, usageOf } from './command.ts'
import { loadCommands } from './commands.ts'
import { usageError } from './usage-error.ts'
import { readVersion } from './version.ts'

/** What a command line asks for: a command to run, or a text (help, version, completion script) to print. */
export type Parsed =
  | { readonly type: 'command'; readonly command: Command; readonly args: Arguments }
  | { readonly type: 'text'; readonly text: string }

/** Parses a command line. @throws RegistrishError `usage`. */
export async function parseCommandLine(words: readonly string[]): Promise<Parsed> {
  const commands = await loadCommands()
  let chosen: { readonly command: Command; readonly args: Arguments } | undefined
  const parser = createParser(commands, (command, args) => {
    chosen = { command, args }
  })
  let text = ''
  const command = words.flatMap(word => commands.filter(({ name }) => name === word))[0]
  parser.fail((message, error) => {
    throw error instanceof RegistrishError ? error : usageError({ message: message || error.message, words, command })
  })
  await parser.parseAsync([...words], {}, (_error: Error | undefined, _argv: unknown, output: string) => {
    text = output
  })
  if (text !== '') return { type: 'text', text: `${text}\n` }
  if (chosen === undefined)
    throw new RegistrishError('usage', 'no command', { hint: 'registrish --help lists the commands' })
  return { type: 'command', ...chosen }
}

function createParser(commands: readonly Command[], choose: (command: Command, args: Arguments) => void): Argv {
  const parser = yargs([])
    .scriptName('registrish')
    .locale('en')
    .usage(
      'Usage: registrish <command>\n\nTurns container images into a registry made of plain files that any static host can serve.',
    )
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'camel-case-expansion': false,
      'strip-aliased': true,
    })
    .version(readVersion())
    .alias('version', 'v')
    .help()
    .alias('help', 'h')
    .completion('completion', 'Print a completion script for bash or zsh')
    .recommendCommands()
    .epilogue('registrish <command> --help shows the flags and examples of a command.')
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .exitProcess(false)
  for (const flag of COMMON_FLAGS) parser.option(flag.name, optionOf(flag))
  for (const command of commands) addCommand(parser, command, choose)
  if (process.argv.includes('--get-yargs-completions')) return parser
  return parser.demandCommand(1, 'no command').strict()
}

function addCommand(parser: Argv, command: Command, choose: (command: Command, args: Arguments) => void): void {
  parser.command(
    usageOf(command),
    command.summary,
    builder => {
      for (const { name, describe } of command.positionals) builder.positional(name, { describe, type: 'string' })
      for (const flag of command.flags) builder.option(flag.name, optionOf(flag))
      for (const { line, text } of command.examples) builder.example(line, text)
      return builder.usage(`Usage: registrish ${usageOf(command)}\n\n${command.details.join('\n\n')}`).epilogue('')
    },
    args => choose(command, args),
  )
}

function optionOf(flag: Flag): Options {
  const value = flag.value === undefined ? '' : ` (${flag.value}${flag.repeated === true ? ', repeatable' : ''})`
  return {
    describe: `${flag.describe}${value}`,
    type: flag.type === 'boolean' ? 'boolean' : 'string',
    ...(flag.alias === undefined ? {} : { alias: flag.alias }),
    ...(flag.choices === undefined ? {} : { choices: flag.choices }),
    ...(flag.repeated === true && flag.choices !== undefined ? { coerce: splitCommas } : {}),
    ...(flag.default === undefined ? {} : { default: String(flag.default) }),
    ...(flag.type === 'boolean' || flag.optional === true ? {} : { requiresArg: true }),
  }
}

/** Values of a repeated flag one by one, before they are compared with its choices. */
function splitCommas(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value].flat().flatMap(text => text.split(',').map(part => part.trim()))
}
