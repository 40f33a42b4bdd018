import { basename, dirname } from 'node:path'

/* What a disk of these tests holds: folders of names, files of which a part is flushed, and steps that change names. */

/** A file, link or folder of the model. */
export type Node = FileNode | LinkNode | FolderNode

/** A file, whatever its names. */
export interface FileNode {
  readonly kind: 'file'
  content: Buffer
  /** What the last flush holds. */
  durable: Buffer
  /** Changes of content that no flush holds. */
  loose: { readonly at: number; readonly change: (content: Buffer) => Buffer }[]
}

/** A symbolic link. */
interface LinkNode {
  readonly kind: 'link'
  readonly target: string
}

/** A folder; `names` is how it is now. */
export interface FolderNode {
  readonly kind: 'folder'
  readonly names: Map<string, Node>
  /** The step that made it, to be kept with whatever in it is. */
  readonly made?: Step
  readonly above?: FolderNode
}

/** One change of names, all of it or none. */
export interface Step {
  readonly at: number
  readonly changes: readonly { readonly folder: FolderNode; readonly name: string; readonly node: Node | undefined }[]
  kept: boolean
}

/** A file or link of a state; files of the same `file` are names of one. */
export type Entry =
  | { readonly kind: 'file'; readonly file: number; readonly content: Buffer }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'folder' }

/** What is below the folder: path → entry, folders before what they hold. */
export type State = ReadonlyMap<string, Entry>

/** The names of a folder. */
export type Names = ReadonlyMap<string, Node>

/** What is below a folder, with the names and the bytes that the two functions say; a file's names stay names of one file. */
export function walk(
  namesOf: (folder: FolderNode) => Names,
  top: FolderNode,
  bytesOf: (file: FileNode) => Buffer,
): State {
  const state = new Map<string, Entry>()
  const files = new Map<FileNode, number>()
  const visit = (folder: FolderNode, prefix: string): void => {
    const names = namesOf(folder)
    for (const name of [...names.keys()].sort()) {
      const node = names.get(name)
      const path = `${prefix}${name}`
      if (node?.kind === 'folder') {
        state.set(path, { kind: 'folder' })
        visit(node, `${path}/`)
      } else if (node?.kind === 'link') state.set(path, { kind: 'link', target: node.target })
      else if (node !== undefined) {
        const file = files.get(node) ?? files.size
        files.set(node, file)
        state.set(path, { kind: 'file', file, content: bytesOf(node) })
      }
    }
  }
  visit(top, '')
  return state
}

/** Makes a state of folders and files below `top`, all of it flushed, and gives the names of each folder. */
export function loadNames(top: FolderNode, initial: State): Map<FolderNode, Names> {
  const folders = new Map<string, FolderNode>([['', top]])
  const files = new Map<number, FileNode>()
  for (const [path, entry] of initial) {
    const above = folders.get(dirname(path) === '.' ? '' : dirname(path))
    if (above === undefined) throw new Error(`${path} is in no folder`)
    if (entry.kind === 'folder') {
      const folder: FolderNode = { kind: 'folder', names: new Map(), above }
      folders.set(path, folder)
      above.names.set(basename(path), folder)
    } else if (entry.kind === 'link') above.names.set(basename(path), entry)
    else {
      const { content } = entry
      const file = files.get(entry.file) ?? { kind: 'file', content, durable: content, loose: [] }
      files.set(entry.file, file)
      above.names.set(basename(path), file)
    }
  }
  return new Map([...folders.values()].map(folder => [folder, new Map(folder.names)]))
}
