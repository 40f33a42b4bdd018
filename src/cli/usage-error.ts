import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import { COMMON_FLAGS, type Command } from './command.ts'

/** What is known of a command line that makes no sense. */
interface Misuse {
  /** As the parser (yargs) puts it. */
  readonly message: string
  readonly words: readonly string[]
  /** The command that the line names, if it is one. */
  readonly command: Command | undefined
}

/** The error of a command line that makes no sense: a `usage` error in our words, and the help that shows what there is. */
export function usageError(misuse: Misuse): RegistrishError {
  const { command } = misuse
  const [message, way] = explain(misuse)
  const help = `registrish ${command === undefined ? '' : `${command.name} `}--help shows what there is`
  return new RegistrishError('usage', message, { hint: way ?? help })
}

/** One sentence, and the way out where it is another than the help. */
function explain({ message, words, command }: Misuse): readonly [string, string?] {
  const name = command?.name ?? 'registrish'
  if (message.startsWith('Not enough non-option arguments')) return [`${name} needs ${missing(command)}`]
  const choice = /Argument: (\S+), Given: (.*), Choices: (.*)/.exec(message)
  if (choice !== null) return [`--${choice[1]} takes ${choice[3]?.replaceAll('"', '')}, not ${choice[2]}`]
  const valueless = /^Not enough arguments following: (\S+)/.exec(message)?.[1]
  if (valueless !== undefined) return [`${dashed(valueless)} needs a value`]
  const unknown = /^Unknown arguments?: (.*)/.exec(message)?.[1]
  if (unknown !== undefined && command === undefined && !unknown.split(', ').every(isFlag(words))) {
    return [`there is no such command: ${commandLike(words)}`]
  }
  if (unknown !== undefined) return [`${name} does not take ${unknown.split(', ').map(asWritten(words)).join(' and ')}`]
  const meant = /^Did you mean (\S+)\?/.exec(message)?.[1]
  if (meant !== undefined)
    return [`there is no such command: ${commandLike(words)}`, `did you mean registrish ${meant}?`]
  if (message.startsWith('Unknown command')) return [`there is no such command: ${commandLike(words)}`]
  return [message]
}

function missing(command: Command | undefined): string {
  const names = command?.positionals.filter(({ required }) => required).map(({ name }) => `<${name}>`) ?? []
  return names.length === 0 ? 'a command' : names.join(' and ')
}

/** The parser takes the dashes of flags away. */
function asWritten(words: readonly string[]): (name: string) => string {
  return name => (isFlag(words)(name) ? dashed(name) : quote(name))
}

function isFlag(words: readonly string[]): (name: string) => boolean {
  return name => words.some(word => word.startsWith('-') && word.replace(/^-+/, '').split('=', 1)[0] === name)
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`
}

/** The first word that is neither a flag nor the value of a common one. */
function commandLike(words: readonly string[]): string {
  const takesValue = new Set(
    COMMON_FLAGS.filter(({ type }) => type !== 'boolean').flatMap(({ name, alias }) => [`--${name}`, `-${alias}`]),
  )
  return words.find((word, index) => !word.startsWith('-') && !takesValue.has(words[index - 1] ?? '')) ?? ''
}
