import { block, quoted } from './caddy-text.ts'

/** 304 where a client holds this digest. */
export function unchanged(digest: string): readonly string[] {
  return [
    '@registrish_conditional header If-None-Match *',
    block('route @registrish_conditional', [
      `@registrish_same header If-None-Match ${quoted(`*"${digest}"*`)}`,
      'respond @registrish_same 304',
      '@registrish_any header_regexp If-None-Match ^\\*$',
      'respond @registrish_any 304',
    ]),
  ]
}

/** Caddy would give ranges of any file, and says when it was written. */
export const NOT_OURS: readonly string[] = ['-Accept-Ranges', '-Last-Modified']

/** Sends a file whole or in ranges, whatever the client holds. */
export function sendFile(root: string, file: string): readonly string[] {
  return [`rewrite * ${file}`, 'request_header -If-*', block('file_server', [`root ${root}`, 'disable_canonical_uris'])]
}
