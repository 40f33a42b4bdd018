import { pack } from 'tar-stream'

/** One member of a tar archive: a file by default; a folder or a link by `type`. */
export interface TarEntry {
  readonly name: string
  readonly content?: Uint8Array | string
  /** Default `file`. */
  readonly type?: 'file' | 'directory' | 'symlink' | 'link'
  /** For links: where they point to. */
  readonly linkname?: string
  /** Permission bits. Default 0o644, folders 0o755. */
  readonly mode?: number
}

/** Packs a tar archive whose bytes depend on its entries only: fixed dates, owner root. */
export async function packTar(entries: Iterable<TarEntry>): Promise<Uint8Array> {
  const archive = pack()
  for (const entry of entries) {
    const { name, content = '', type = 'file', linkname, mode = type === 'directory' ? 0o755 : 0o644 } = entry
    const header = { name, type, mode, mtime: new Date(0), uid: 0, gid: 0 }
    if (type === 'file') archive.entry(header, Buffer.from(content))
    else archive.entry(linkname === undefined ? header : { ...header, linkname })
  }
  archive.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of archive) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}
