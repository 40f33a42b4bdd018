import { type ParseArgsConfig, parseArgs } from 'node:util'
import { systemCode } from '../errors.ts'
import { type Arguments, COMMON_FLAGS, type Command, type Flag } from './command.ts'
import { loadCommand } from './commands.ts'

/** A command and what it is given. */
export interface PlainLine {
  readonly command: Command
  readonly args: Arguments
}

/**
 * Parses a command line as most are: a command, its positionals, known flags written out with their values. undefined for any other, be it help, a mistake
 * or merely unusual: `parseCommandLine`, which gives the same for these, knows what to say. Its library takes longer to load than `list` takes to run.
 */
export async function parsePlainLine(words: readonly string[]): Promise<PlainLine | undefined> {
  const [name = '', ...rest] = words
  const command = await loadCommand(name)
  if (command === undefined || rest.some(isUnusual)) return undefined
  const flags = [...COMMON_FLAGS, ...command.flags]
  try {
    const { values, positionals } = parseArgs({ args: rest, options: optionsOf(flags), allowPositionals: true })
    const args = {
      ...placePositionals(command, positionals),
      ...Object.assign({}, ...flags.map(flag => givenOf(flag, values))),
    }
    return { command, args }
  } catch (error) {
    if (error instanceof SyntaxError || systemCode(error)?.startsWith('ERR_PARSE_ARGS_') === true) return undefined
    throw error
  }
}

/** The end of flags, empty values, short flags with something attached, and words that yargs has a meaning of its own for. */
function isUnusual(word: string): boolean {
  return /^(?:--?|--[^=]*=|-[^-].+|true|false|help|)$/.test(word)
}

/** All may be given several times, so that none of the values is lost. */
function optionsOf(flags: readonly Flag[]): NonNullable<ParseArgsConfig['options']> {
  return Object.fromEntries(
    flags.map(({ name, alias, type }) => [
      name,
      {
        type: type === 'boolean' ? 'boolean' : 'string',
        multiple: true,
        ...(alias === undefined ? {} : { short: alias }),
      } as const,
    ]),
  )
}

function placePositionals({ positionals: known }: Command, given: readonly string[]): Arguments {
  const isVariadic = known.at(-1)?.variadic === true
  const required = known.filter(({ required }) => required).length
  if (given.length < required || (!isVariadic && given.length > known.length)) throw new SyntaxError('not plain')
  return Object.fromEntries(
    known.flatMap(({ name, variadic }, position): [string, unknown][] => {
      if (variadic) return [[name, given.slice(position)]]
      return given[position] === undefined ? [] : [[name, given[position]]]
    }),
  )
}

function givenOf(flag: Flag, values: Readonly<Record<string, unknown>>): Arguments {
  const given = values[flag.name]
  if (given === undefined) return flag.default === undefined ? {} : { [flag.name]: String(flag.default) }
  const list = given as readonly (string | boolean)[]
  // What several values mean, and which are allowed, is the business of the other parser.
  if (list.length > 1 && flag.repeated !== true) throw new SyntaxError('not plain')
  if (flag.choices !== undefined && !list.every(value => flag.choices?.includes(String(value))))
    throw new SyntaxError('not plain')
  const isList = flag.repeated === true && (list.length > 1 || flag.choices !== undefined)
  return { [flag.name]: isList ? list : list[0] }
}
