import { basename, dirname, join } from 'node:path'
import {
  givesLinks,
  handleOf,
  isFlushing,
  isRecorded,
  isRecording,
  later,
  note,
  noteClose,
  noteOpen,
  position,
  realFs,
  recordedPath,
  truncateRecorded,
  unknownFunction,
  writeRecorded,
} from './recorder.ts'

/*
 * Stand-ins for node:fs and node:fs/promises that do what those do and record it. Functions that they do not know, and that do not only read, fail
 * while something is recorded.
 */

type Module = Readonly<Record<string, unknown>>
type AnyFunction = (...args: readonly unknown[]) => unknown

/** Functions of node:fs/promises that change nothing. */
const ASYNC_READERS = new Set('access lstat opendir readFile readdir readlink realpath stat statfs watch'.split(' '))
/** Functions of node:fs that change nothing. */
const SYNC_READERS = new Set(
  'accessSync createReadStream existsSync fstat fstatSync lstat lstatSync opendirSync read readFile readFileSync readSync readdirSync readlinkSync readv readvSync realpath realpathSync stat statSync statfsSync'.split(
    ' ',
  ),
)
/** Members of an open file that change nothing. */
const HANDLE_READERS = new Set('fd stat read readFile readv readLines createReadStream then'.split(' '))

/** Whether the recorder understands a function of node:fs or node:fs/promises. */
export function isKnown(module: string, name: string): boolean {
  if (/^[A-Z]|^constants$/.test(name)) return true
  return module === 'node:fs' ? SYNC_READERS.has(name) || name in SYNC : ASYNC_READERS.has(name) || name in ASYNC
}

/** A stand-in for node:fs. */
export function recordFs<T extends object>(real: T): T {
  return { ...standIns(real as Module, 'node:fs', SYNC), promises: recordPromises(realFs.promises) } as unknown as T
}

/** A stand-in for node:fs/promises. */
export function recordPromises<T extends object>(real: T): T {
  return standIns(real as Module, 'node:fs/promises', ASYNC) as unknown as T
}

function standIns(real: Module, module: string, known: Readonly<Record<string, AnyFunction>>): Module {
  const entries = Object.entries(real).map(([name, member]) => {
    if (typeof member !== 'function') return [name, member] as const
    const standIn = known[name]
    if (standIn !== undefined) return [name, standIn] as const
    if (isKnown(module, name)) return [name, member] as const
    const refuse = (...args: readonly unknown[]): unknown => {
      if (isRecording()) throw unknownFunction(`${module} ${name}`)
      return (member as AnyFunction)(...args)
    }
    return [name, refuse] as const
  })
  const all = Object.fromEntries(entries)
  return 'default' in real ? { ...all, default: all } : all
}

/** Stand-ins for the functions of node:fs that change files: done and noted at once. */
const SYNC: Readonly<Record<string, AnyFunction>> = {
  mkdirSync: (path, options) => makeFolder(path as string, options as Parameters<typeof realFs.mkdirSync>[1]),
  mkdtempSync: prefix => noted(realFs.mkdtempSync(prefix as string), path => ({ kind: 'mkdir', path })),
  chmodSync: (path, mode) => changeAttributes(path as string, () => realFs.chmodSync(path as string, mode as number)),
  utimesSync: (path, ...times) =>
    changeAttributes(path as string, () => realFs.utimesSync(path as string, ...(times as [Date, Date]))),
  fchmodSync: (descriptor, mode) => realFs.fchmodSync(descriptor as number, mode as number),
  futimesSync: (descriptor, ...times) => realFs.futimesSync(descriptor as number, ...(times as [number, number])),
  linkSync: (from, to) => {
    if (!givesLinks()) throw Object.assign(new Error('EPERM: this disk gives no links'), { code: 'EPERM' })
    realFs.linkSync(from as string, to as string)
    noteBetween('link', from, to)
  },
  renameSync: (from, to) => {
    realFs.renameSync(from as string, to as string)
    noteBetween('rename', from, to)
  },
  symlinkSync: (target, path) => {
    realFs.symlinkSync(target as string, path as string)
    noted(path as string, name => ({ kind: 'symlink', path: name, target: target as string }))
  },
  unlinkSync: path => {
    realFs.unlinkSync(path as string)
    noted(path as string, name => ({ kind: 'unlink', path: name }))
  },
  rmdirSync: path => {
    realFs.rmdirSync(path as string)
    noted(path as string, name => ({ kind: 'rmdir', path: name }))
  },
  rmSync: (path, options) => removeAll(path as string, options as { recursive?: boolean; force?: boolean }),
  openSync: (path, flags, mode) => openFile(path as string, flags as string, mode as number),
  closeSync: descriptor => {
    noteClose(descriptor as number)
    realFs.closeSync(descriptor as number)
  },
  writeSync: (descriptor, bytes, offset = 0, length = undefined, at = undefined) => {
    if (!isRecorded(descriptor as number))
      return realFs.writeSync(descriptor as number, bytes as Buffer, offset as number, length as number, at as number)
    const all = Buffer.from(bytes as Buffer)
    const some = all.subarray(
      offset as number,
      length === undefined ? undefined : (offset as number) + (length as number),
    )
    writeRecorded(descriptor as number, some, at as number | undefined)
    return some.length
  },
  ftruncateSync: (descriptor, size = 0) => {
    if (isRecorded(descriptor as number)) truncateRecorded(descriptor as number, size as number)
    else realFs.ftruncateSync(descriptor as number, size as number)
  },
  truncateSync: (path, size = 0) => {
    const descriptor = openFile(path as string, 'r+')
    try {
      if (isRecorded(descriptor)) truncateRecorded(descriptor, size as number)
      else realFs.ftruncateSync(descriptor, size as number)
    } finally {
      noteClose(descriptor)
      realFs.closeSync(descriptor)
    }
  },
  fsyncSync: descriptor => flush(descriptor as number, position()),
  fdatasyncSync: descriptor => flush(descriptor as number, position()),
  writeFileSync: (path, content, options) => writeFile(path as string, content as string, options as WriteOptions),
  copyFileSync: (from, to) => writeFile(to as string, realFs.readFileSync(from as string)),
}

/** Stand-ins for the functions of node:fs/promises that change files. */
const ASYNC: Readonly<Record<string, AnyFunction>> = {
  ...Object.fromEntries(
    'mkdir mkdtemp chmod utimes link rename symlink unlink rmdir rm truncate writeFile copyFile'
      .split(' ')
      .map(name => [name, (...args: readonly unknown[]) => later(() => SYNC[`${name}Sync`]?.(...args))]),
  ),
  open: (path, flags, mode) => openHandle(path as string, flags as string, mode as number),
}

async function openHandle(path: string, flags: string | number = 'r', mode?: number): Promise<unknown> {
  const inside = recordedPath(path)
  await later(() => {})
  const there = realFs.existsSync(path)
  const handle = await realFs.promises.open(path, flags, mode)
  if (inside === undefined) return watchHandle(handle)
  noteOpen(inside, handle.fd, { creates: !there, append: isAppend(flags) })
  if (there && truncates(flags)) truncateRecorded(handle.fd, 0)
  return watchHandle(handle)
}

type Handle = import('node:fs/promises').FileHandle

/** An open file whose changes are noted. */
function watchHandle(handle: Handle): unknown {
  const { fd } = handle
  const write = (chunks: readonly Uint8Array[], at?: number | null): number => {
    const bytes = Buffer.concat(chunks)
    if (isRecorded(fd)) writeRecorded(fd, bytes, at)
    else realFs.writevSync(fd, [bytes], at ?? undefined)
    return bytes.length
  }
  const sync = (): Promise<void> => {
    const since = position()
    return later(() => flush(fd, since), { flush: true })
  }
  const changes: Readonly<Record<string | symbol, AnyFunction>> = {
    write: (bytes, offset = 0, length = undefined, at = null) =>
      later(() => ({
        bytesWritten: write([slice(bytes as Uint8Array, offset as number, length as number | undefined)], at as number),
        buffer: bytes,
      })),
    writev: (chunks, at) =>
      later(() => ({ bytesWritten: write(chunks as Uint8Array[], at as number), buffers: chunks })),
    writeFile: content => later(() => void write([Buffer.from(content as string)])),
    appendFile: content => later(() => void write([Buffer.from(content as string)])),
    truncate: (size = 0) => later(() => (isRecorded(fd) ? truncateRecorded : realFs.ftruncateSync)(fd, size as number)),
    chmod: mode => later(() => realFs.fchmodSync(fd, mode as number)),
    utimes: (...times) => later(() => realFs.futimesSync(fd, ...(times as [number, number]))),
    sync,
    datasync: sync,
    close: () => {
      noteClose(fd)
      return handle.close()
    },
  }
  return new Proxy(handle, {
    get(target, name) {
      const change = changes[name]
      if (change !== undefined) return change
      if (typeof name === 'string' && !HANDLE_READERS.has(name) && isRecording())
        throw unknownFunction(`FileHandle.${name}`)
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function slice(bytes: Uint8Array, offset: number, length: number | undefined): Uint8Array {
  return bytes.subarray(offset, length === undefined ? undefined : offset + length)
}

function flush(descriptor: number, since: number): void {
  if (isRecorded(descriptor)) note({ kind: 'flush', handle: handleOf(descriptor), since })
  else if (isFlushing()) realFs.fsyncSync(descriptor)
}

function openFile(path: string, flags: string | number = 'r', mode?: number): number {
  const inside = recordedPath(path)
  const there = realFs.existsSync(path)
  const descriptor = realFs.openSync(path, flags, mode)
  if (inside === undefined) return descriptor
  noteOpen(inside, descriptor, { creates: !there, append: isAppend(flags) })
  if (there && truncates(flags)) truncateRecorded(descriptor, 0)
  return descriptor
}

function isAppend(flags: string | number): boolean {
  return typeof flags === 'number' ? (flags & realFs.constants.O_APPEND) !== 0 : flags.startsWith('a')
}

function truncates(flags: string | number): boolean {
  return typeof flags === 'number' ? (flags & realFs.constants.O_TRUNC) !== 0 : flags.startsWith('w')
}

interface WriteOptions {
  readonly mode?: number
  readonly flag?: string
  readonly flush?: boolean
}

function writeFile(path: string, content: string | Uint8Array, options: WriteOptions = {}): void {
  if (recordedPath(path) === undefined) {
    realFs.writeFileSync(path, content, { ...options, flush: false })
    return
  }
  const descriptor = openFile(path, options.flag ?? 'w', options.mode ?? 0o666)
  try {
    writeRecorded(descriptor, Buffer.from(content as string))
    if (options.flush === true) flush(descriptor, position())
  } finally {
    noteClose(descriptor)
    realFs.closeSync(descriptor)
  }
}

function makeFolder(path: string, options: Parameters<typeof realFs.mkdirSync>[1]): string | undefined {
  const first = realFs.mkdirSync(path, options)
  const top = typeof options === 'object' && options?.recursive === true ? first : path
  if (top === undefined) return first
  const made: string[] = []
  for (let folder = path; folder.length >= top.length; folder = dirname(folder)) made.unshift(folder)
  for (const folder of made) noted(folder, inside => ({ kind: 'mkdir', path: inside }))
  return first
}

function removeAll(path: string, options: { recursive?: boolean; force?: boolean } = {}): void {
  const stats = realFs.lstatSync(path, { throwIfNoEntry: false })
  if (recordedPath(path) === undefined || stats === undefined) {
    realFs.rmSync(path, options)
    return
  }
  if (!stats.isDirectory() || options.recursive !== true) {
    realFs.rmSync(path, options)
    noted(path, inside => ({ kind: 'unlink', path: inside }))
    return
  }
  for (const name of realFs.readdirSync(path)) removeAll(join(path, name), options)
  realFs.rmdirSync(path)
  noted(path, inside => ({ kind: 'rmdir', path: inside }))
}

function changeAttributes(path: string, change: () => void): void {
  change()
  noted(path, inside => ({ kind: 'attributes', path: inside }))
}

/** Notes what was done to a path, if it is one that is recorded; gives the path. */
function noted(path: string, operation: (inside: string) => Parameters<typeof note>[0]): string {
  const inside = recordedPath(path)
  if (inside !== undefined) note(operation(inside))
  return path
}

function noteBetween(kind: 'link' | 'rename', from: unknown, to: unknown): void {
  const [before, after] = [recordedPath(from), recordedPath(to)]
  if (before === undefined && after === undefined) return
  if (before === undefined || after === undefined)
    throw unknownFunction(`a ${kind} between a recorded folder and another: ${basename(String(from))}`)
  note({ kind, from: before, path: after })
}
