import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import type { EmitOptions, Emitter } from './emitter.ts'
import { shellQuote } from './shell-quote.ts'

/** Longest first line that is read, in bytes. */
const LONGEST_LINE = 16_384

/** The first line of a host's files: the command that writes them again. It says that the host is in use, and with which options. */
export function formatMarker(emitter: Emitter, options: EmitOptions): string {
  const flags = emitter.options.map(({ name, default: value }) => `--${name} ${shellQuote(options[name] ?? value)}`)
  return [startOf(emitter), ...flags].join(' ')
}

/** Whether a host is in use: its marker file is there, and ours. */
export function isInUse(root: string, emitter: Emitter): boolean {
  const line = readFirstLine(join(root, emitter.marker))
  return line !== undefined && isOurs(emitter, line)
}

/**
 * The options that a host in use was emitted with; undefined where it is not in use: its marker file is absent, or someone's own.
 * @throws RegistrishError `conflict` where the line is ours but cannot be understood.
 */
export function readMarker(root: string, emitter: Emitter): EmitOptions | undefined {
  if (!isInUse(root, emitter)) return undefined
  const line = readFirstLine(join(root, emitter.marker)) ?? ''
  const words = splitWords(line.slice(startOf(emitter).length))
  const options: Record<string, string> = {}
  for (let index = 0; words !== undefined && index < words.length; index += 2) {
    const option = emitter.options.find(({ name }) => words[index] === `--${name}`)
    const value = words[index + 1]
    if (option === undefined || value === undefined) throw unreadable(emitter)
    options[option.name] = value
  }
  if (words === undefined) throw unreadable(emitter)
  return options
}

/** Whether a file's first line is one that a host's emitter gave it. */
export function isOurs(emitter: Emitter, line: string): boolean {
  return line === startOf(emitter) || line.startsWith(`${startOf(emitter)} `)
}

/** The first line of a file, without its end; undefined where there is no file. */
export function readFirstLine(path: string): string | undefined {
  try {
    const file = openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(LONGEST_LINE)
      const length = readSync(file, buffer)
      return buffer.toString('utf8', 0, length).split(/\r?\n/, 1)[0]
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined
    throw fileError(error, 'read', path)
  }
}

function startOf({ name, comment }: Emitter): string {
  return `${comment} registrish emit --host ${name}`
}

/** Takes apart what {@link shellQuote} put together; undefined for anything else. */
function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = []
  const pattern = / ((?:[A-Za-z0-9_/.,:=@%+-]|'[^']*'|\\')+)/y
  while (pattern.lastIndex < text.length) {
    const word = pattern.exec(text)?.[1]
    if (word === undefined) return undefined
    words.push(word.replace(/'([^']*)'|\\(')/g, '$1$2'))
  }
  return words
}

function unreadable({ marker, name, options }: Emitter): RegistrishError {
  const flags = options.map(option => `--${option.name}`).join(', ')
  return new RegistrishError('conflict', `the first line of ${marker} does not say which options it was made with`, {
    hint: `delete ${marker} and run registrish emit --host ${name} again, with ${flags} where the defaults do not fit`,
    side: 'target',
  })
}
