/*
 * What a program did to the files below one folder, in order. Paths are relative to that folder, '' is the folder itself. An open file or folder goes
 * by a number, so that what is written to it stays its own whatever it is renamed to.
 */

/** One change, or one flush. */
export type Operation =
  | { readonly kind: 'mkdir' | 'unlink' | 'rmdir' | 'attributes'; readonly path: string }
  /** `creates`: there was no file of that name. */
  | { readonly kind: 'open'; readonly path: string; readonly handle: number; readonly creates: boolean }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'link' | 'rename'; readonly from: string; readonly path: string }
  | { readonly kind: 'write'; readonly handle: number; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly handle: number; readonly size: number }
  /** Ended here, and holds what was done before the operation at position `since`: what came while it ran it may have missed. */
  | { readonly kind: 'flush'; readonly handle: number; readonly since: number }

/** An operation for people. */
export function formatOperation(operation: Operation): string {
  const { kind } = operation
  if (kind === 'link' || kind === 'rename') return `${kind} ${operation.from} ${operation.path}`
  if (kind === 'symlink') return `symlink ${operation.target} ${operation.path}`
  if (kind === 'open') return `open ${operation.path} as #${operation.handle}`
  if (kind === 'write') return `write ${operation.bytes.length} bytes to #${operation.handle}`
  if (kind === 'truncate') return `truncate #${operation.handle} to ${operation.size}`
  return kind === 'flush' ? `flush #${operation.handle}` : `${kind} ${operation.path}`
}
