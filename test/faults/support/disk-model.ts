import { basename, dirname } from 'node:path'
import { type ContentLoss, chooseSteps, lose, type NameLoss } from './disk-loss.ts'
import {
  type FileNode,
  type FolderNode,
  loadNames,
  type Names,
  type Node,
  type State,
  type Step,
  walk,
} from './disk-nodes.ts'
import type { Operation } from './operations.ts'
import type { Random } from './random.ts'

/*
 * A disk that loses power, made weaker than any of ext4, XFS and btrfs is:
 *  - What was written to a file since its last fsync or fdatasync may be there, or not, or in part, or as zeros (ext4(5) on delayed allocation: "zero-length
 *    files"; XFS and btrfs likewise). A file's own flush says nothing of its name (fsync(2): "an explicit fsync() on a file descriptor for the directory is
 *    also needed").
 *  - A name that was made, moved or deleted since the last fsync of its folder may be as it was or as it is, each by itself and in any order: ext4 and XFS
 *    keep the order (one journal, one log), but what an fsync puts into btrfs's log tree is one file with its names, or one folder, and nothing of others.
 *    Only deletions in one and the same folder keep their order: btrfs logs those of a folder together.
 *  - rename is one step: its two names change together, and a name that it replaces is always one of the two files (rename(2): "there will be no point at
 *    which another process attempting to access newpath will find it missing", and all three do it in one transaction).
 *  - Flushing a folder keeps its names and the way to it, the folders above it that are new: ext4 and XFS write all of the journal or log up to it, btrfs logs
 *    new parents (fs/btrfs/tree-log.c, log_all_new_ancestors). The same guarantees are listed in "Documenting the crash-recovery guarantees of Linux file
 *    systems" (Mohan et al., linux-fsdevel, March 2019).
 *  - Attributes are not followed: that a file is readable by all is tested elsewhere.
 */

/** A disk that operations are done on, one after the other. */
export interface Disk {
  apply(operation: Operation): void
  /** All that was done: what a killed process leaves. */
  current(): State
  /** What a power loss leaves. */
  afterLoss(names: NameLoss, content: ContentLoss, random: Random): State
}

/** A disk that holds a state, all of it flushed. */
export function createDisk(initial: State): Disk {
  const top: FolderNode = { kind: 'folder', names: new Map() }
  const platter: Platter = { top, handles: new Map(), steps: [], durable: loadNames(top, initial), done: 0 }
  return {
    apply(operation) {
      apply(platter, operation)
      platter.done += 1
    },
    current: () =>
      walk(
        folder => folder.names,
        top,
        file => file.content,
      ),
    afterLoss(names, content, random) {
      const view = changeNames(platter.durable, chooseSteps(platter.steps, names, random))
      const known = new Map<FileNode, Buffer>()
      const left = (file: FileNode): Buffer => {
        const bytes = known.get(file) ?? lose(file, content, random)
        known.set(file, bytes)
        return bytes
      }
      return walk(folder => view.get(folder) ?? new Map(), top, left)
    },
  }
}

interface Platter {
  readonly top: FolderNode
  readonly handles: Map<number, Node>
  /** From the first that no flush holds on. */
  steps: readonly Step[]
  /** The names of each folder after the steps before those. */
  durable: ReadonlyMap<FolderNode, Names>
  /** How many operations were done. */
  done: number
}

function apply(platter: Platter, operation: Operation): void {
  switch (operation.kind) {
    case 'mkdir':
      makeFolder(platter, operation.path)
      break
    case 'open':
      openFile(platter, operation)
      break
    case 'symlink':
      step(platter, [operation.path, { kind: 'link', target: operation.target }])
      break
    case 'link':
      step(platter, [operation.path, find(platter, operation.from)])
      break
    case 'rename':
      rename(platter, operation.from, operation.path)
      break
    case 'unlink':
    case 'rmdir':
      step(platter, [operation.path, undefined])
      break
    case 'write':
      edit(platter, operation.handle, content => overwrite(content, operation.position, operation.bytes))
      break
    case 'truncate':
      edit(platter, operation.handle, content => Buffer.concat([content, Buffer.alloc(operation.size)], operation.size))
      break
    case 'flush':
      flush(platter, platter.handles.get(operation.handle), operation.since)
      break
    case 'attributes':
      break
  }
}

function makeFolder(platter: Platter, path: string): void {
  const above = folderOf(platter, path)
  const changes: Step['changes'][number][] = []
  const made: Step = { at: platter.done, changes, kept: false }
  const node: FolderNode = { kind: 'folder', names: new Map(), made, above }
  changes.push({ folder: above, name: basename(path), node })
  platter.steps = [...platter.steps, made]
  above.names.set(basename(path), node)
}

function openFile(platter: Platter, { path, handle, creates }: Operation & { readonly kind: 'open' }): void {
  const node: Node = creates
    ? { kind: 'file', content: Buffer.alloc(0), durable: Buffer.alloc(0), loose: [] }
    : find(platter, path)
  if (creates) step(platter, [path, node])
  platter.handles.set(handle, node)
}

/** Onto another name of the same file it does nothing (rename(2)). */
function rename(platter: Platter, from: string, to: string): void {
  const node = find(platter, from)
  const replaced = folderOf(platter, to).names.get(basename(to))
  if (replaced !== node) step(platter, [from, undefined], [to, node])
}

function step(platter: Platter, ...changes: readonly (readonly [path: string, node: Node | undefined])[]): void {
  const all = changes.map(([path, node]) => ({ folder: folderOf(platter, path), name: basename(path), node }))
  platter.steps = [...platter.steps, { at: platter.done, changes: all, kept: false }]
  for (const { folder, name, node } of all) {
    if (node === undefined) folder.names.delete(name)
    else folder.names.set(name, node)
  }
}

function edit({ handles, done }: Platter, handle: number, change: (content: Buffer) => Buffer): void {
  const file = handles.get(handle)
  if (file?.kind !== 'file') throw new Error(`#${handle} is no file`)
  file.content = change(file.content)
  file.loose.push({ at: done, change })
}

function flush(platter: Platter, node: Node | undefined, since: number): void {
  if (node?.kind === 'file') {
    const early = node.loose.filter(({ at }) => at < since)
    node.durable = early.reduce((content, { change }) => change(content), node.durable)
    node.loose = node.loose.filter(({ at }) => at >= since)
  } else if (node?.kind === 'folder') {
    for (const loose of platter.steps) {
      if (loose.at < since && loose.changes.some(({ folder }) => folder === node)) loose.kept = true
    }
    for (let folder: FolderNode | undefined = node; folder !== undefined; folder = folder.above)
      if (folder.made !== undefined && folder.made.at < since) folder.made.kept = true
    settle(platter)
  }
}

/** Moves the steps that a flush holds, up to the first that none does, into what is durable. */
function settle(platter: Platter): void {
  const loose = platter.steps.findIndex(({ kept }) => !kept)
  const ready = loose < 0 ? platter.steps : platter.steps.slice(0, loose)
  platter.durable = changeNames(platter.durable, ready)
  platter.steps = platter.steps.slice(ready.length)
}

function changeNames(before: Platter['durable'], steps: readonly Step[]): Platter['durable'] {
  const after = new Map(before)
  for (const { changes } of steps) {
    for (const { folder, name, node } of changes) {
      const names = new Map(after.get(folder) ?? [])
      if (node === undefined) names.delete(name)
      else names.set(name, node)
      after.set(folder, names)
    }
  }
  return after
}

function find({ top }: Platter, path: string): Node {
  let node: Node = top
  for (const name of path === '' ? [] : path.split('/')) {
    const next: Node | undefined = node.kind === 'folder' ? node.names.get(name) : undefined
    if (next === undefined) throw new Error(`the model has no ${path}`)
    node = next
  }
  return node
}

function folderOf(platter: Platter, path: string): FolderNode {
  const folder = find(platter, dirname(path) === '.' ? '' : dirname(path))
  if (folder.kind !== 'folder') throw new Error(`${path} is in no folder`)
  return folder
}

function overwrite(content: Buffer, position: number, bytes: Buffer): Buffer {
  const next = Buffer.alloc(Math.max(content.length, position + bytes.length))
  content.copy(next)
  bytes.copy(next, position)
  return next
}
