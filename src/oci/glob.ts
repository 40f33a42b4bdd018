/**
 * Compiles a glob for names and tags: `*` any characters but "/", `**` any characters, `?` one character but "/", `[a-z]` and `[!a-z]` one of a set,
 * everything else itself. The whole text must match.
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
  const expression = new RegExp(`^${source}$`)
  return text => expression.test(text)
}

const TOKEN = /\*\*|\*|\?|\[[^\]/[]+\]|[\\^$.+(){}|[\]/-]/g
