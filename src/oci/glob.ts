import { RegistrishError } from '../errors.ts'
import { quote } from './digest.ts'

/**
 * Compiles a glob for names and tags: `*` any characters but "/", `**` any characters, `?` one character but "/", `[a-z]` and `[!a-z]` one of a set,
 * everything else itself. The whole text must match.
 * @throws RegistrishError `usage` where a set is none (`[z-a]`).
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  const source = pattern.replace(TOKEN, token => {
    if (token === '**') return '.*'
    if (token === '*') return '[^/]*'
    if (token === '?') return '[^/]'
    if (token.length > 2 && token.startsWith('['))
      return `[${token.slice(1, -1).replace(/^!/, '^').replaceAll('\\', '\\\\')}]`
    return `\\${token}`
  })
  const expression = compile(pattern, source)
  return text => expression.test(text)
}

function compile(pattern: string, source: string): RegExp {
  try {
    return new RegExp(`^${source}$`)
  } catch (cause) {
    throw new RegistrishError('usage', `not a pattern: ${quote(pattern)}`, {
      hint: 'write a set of characters in their order: [a-z]',
      cause,
    })
  }
}

const TOKEN = /\*\*|\*|\?|\[[^\]/[]+\]|[\\^$.+(){}|[\]/-]/g
