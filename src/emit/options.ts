import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import type { EmitOption, EmitOptions } from './emitter.ts'

/** What web servers of one's own are told: one flag each, the same for all. */

export const WEB_ROOT: EmitOption = {
  name: 'web-root',
  value: 'DIR',
  description: 'what the web server sees as the folder that holds v2/ and its own folder',
  default: '/srv/registrish',
  parse: parseWebRoot,
}

export const PORT: EmitOption = {
  name: 'port',
  value: 'N',
  description: 'port that the web server listens on',
  default: '5555',
  parse: parsePort,
}

export const FORM: EmitOption = {
  name: 'form',
  value: 'FORM',
  description:
    'constant: a configuration that is written once; map (nginx only): a list of all tags beside it, which is faster, and is to be read anew after each fetch',
  default: 'constant',
  parse: parseForm,
}

/** The value of an option, or its default. @throws RegistrishError `usage`. */
export function optionOf(options: EmitOptions, option: EmitOption): string {
  return option.parse(options[option.name] ?? option.default)
}

/** The web root as the beginning of a path: '' for "/". */
export function webRootOf(options: EmitOptions): string {
  return prefixOf(optionOf(options, WEB_ROOT))
}

/** A folder as the beginning of a path: '' for "/". */
export function prefixOf(folder: string): string {
  return folder === '/' ? '' : folder
}

/** An absolute path that means itself inside quotes in the configuration of every server here: no quote, variable, placeholder, pattern, comment, nothing to normalise. */
function parseWebRoot(text: string): string {
  const path = text === '/' ? text : text.replace(/\/$/, '')
  const plain = /^\/(?:[^/\\"'`$%{}<>*?[\]#|\x00-\x1f\x7f]+(?:\/|$))*$/.test(path)
  if (plain && !path.split('/').some(part => part === '.' || part === '..')) return path
  throw new RegistrishError('usage', `--web-root is not a folder that a web server can be told of: ${quote(text)}`, {
    hint: 'give an absolute path without "..", quotes, control characters and \\ $ % { } < > * ? [ ] # |, for example "$PWD" for this folder',
  })
}

function parsePort(text: string): string {
  if (/^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535) return text
  throw new RegistrishError('usage', `--port is not a port: ${quote(text)}`, { hint: 'give a number from 1 to 65535' })
}

function parseForm(text: string): string {
  if (text === 'constant' || text === 'map') return text
  throw new RegistrishError('usage', `--form is not a form: ${quote(text)}`, { hint: 'give constant or map' })
}
