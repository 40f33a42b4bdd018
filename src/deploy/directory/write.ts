import { link, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { fileError, RegistrishError, systemCode, throwIfAborted } from '../../errors.ts'
import { checkCase } from '../../tree/case-folding.ts'
import { linkOrCopy, newTemporary } from '../../tree/files.ts'
import { manifestPath, PUBLIC, parseRequestPath } from '../../tree/layout.ts'
import { callOf } from '../call-of.ts'
import type { Condition, NewObject, ObjectHead, PutOptions } from '../store.ts'
import type { Flushes } from './flushes.ts'
import type { Gate } from './gate.ts'
import { digestInKey, fileOf } from './keys.ts'
import { etagOf, headFile } from './read.ts'
import { stage } from './stage.ts'

/** A folder that is written into. */
export interface Writing {
  readonly folder: string
  readonly gate: Gate
  readonly flushes: Flushes
}

/** Writes an object, whole or not at all; undefined where the condition does not hold. */
export async function putFile(writing: Writing, object: NewObject, options: PutOptions): Promise<string | undefined> {
  const { folder, gate, flushes } = writing
  const { condition, signal } = options
  const { key } = object
  const file = fileOf(folder, key)
  const twin = twinOf(folder, object)
  const temporary = await stage(folder, object, { ...options, ...(twin === undefined ? {} : { twin }) })
  try {
    const etag = etagOf(key, temporary)
    if (digestInKey(key) !== undefined && condition === undefined) await place(writing, temporary, file)
    else {
      await checkName(folder, key)
      await flushes.flush()
      const isPlaced = await gate(async () => {
        throwIfAborted(signal)
        return placeIf(writing, temporary, { key, file, condition })
      }, callOf(signal))
      if (!isPlaced) return undefined
    }
    return etag
  } finally {
    await rm(temporary, { force: true })
  }
}

/** The manifest that a tag is to name, which is there by then. */
function twinOf(folder: string, { key, digest }: NewObject): string | undefined {
  const target = parseRequestPath(`/${key}`)
  if (target?.kind !== 'manifest' || digest === undefined || target.reference === digest) return undefined
  return join(folder, manifestPath(target.repository, digest))
}

/** Gives a file another name, as a link where there are links. False where it is not there in that size. */
export async function copyFile(writing: Writing, from: string, to: ObjectHead): Promise<boolean> {
  const { folder, gate, flushes } = writing
  const [source, target] = [fileOf(folder, from), fileOf(folder, to.key)]
  if (headFile(folder, from)?.size !== to.size) return false
  if (from === to.key) return true
  const copy = async (): Promise<boolean> => {
    const temporary = await newTemporary(folder)
    try {
      await linkOrCopy(folder, source, temporary)
      await place(writing, temporary, target)
    } finally {
      await rm(temporary, { force: true })
    }
    return true
  }
  if (digestInKey(to.key) !== undefined) return copy()
  await flushes.flush()
  return gate(copy)
}

/** Deletes files, and the folders that are empty then. */
export async function deleteFiles(
  { folder, gate }: Writing,
  keys: readonly string[],
  options: PutOptions,
): Promise<void> {
  const { signal } = options
  throwIfAborted(signal)
  if (keys.length === 0) return
  await gate(async () => {
    for (const key of keys) {
      throwIfAborted(signal)
      if (!key.endsWith('/')) await deleteFile(folder, fileOf(folder, key))
    }
  }, callOf(signal))
}

interface Place {
  readonly key: string
  readonly file: string
  readonly condition: Condition | undefined
}

/** Behind the gate. What is absent may come without it, by another program: then the link fails. */
async function placeIf(writing: Writing, temporary: string, { key, file, condition }: Place): Promise<boolean> {
  const there = condition === undefined ? undefined : headFile(writing.folder, key)
  if (condition === 'absent') return there === undefined && placeNew(writing, temporary, file)
  if (condition !== undefined && there?.etag !== condition.etag) return false
  await place(writing, temporary, file)
  return true
}

async function placeNew(writing: Writing, temporary: string, file: string): Promise<boolean> {
  await writing.flushes.prepare(file)
  try {
    await link(temporary, file)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    if (!NO_LINK.has(systemCode(error) ?? '')) throw fileError(error, 'write', file)
    await place(writing, temporary, file)
    return true
  }
}

async function place({ flushes }: Writing, temporary: string, file: string): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    await flushes.prepare(file)
    try {
      await rename(temporary, file)
      return
    } catch (error) {
      // The folder was empty, and somebody has removed it.
      if (systemCode(error) !== 'ENOENT' || tried === MOST_TRIES) throw writeError(error, file)
    }
  }
}

async function deleteFile(folder: string, file: string): Promise<void> {
  try {
    await rm(file)
    const top = join(folder, PUBLIC)
    for (let above = dirname(file); above.startsWith(`${top}${sep}`); above = dirname(above)) await rmdir(above)
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ERR_FS_EISDIR', 'EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? ''))
      throw fileError(error, 'delete', file)
  }
}

/** On a disk that folds case one tag would overwrite another. */
async function checkName(folder: string, key: string): Promise<void> {
  const target = parseRequestPath(`/${key}`)
  if (target?.kind === 'manifest') await checkCase(folder, target.repository, target.reference)
}

function writeError(error: unknown, file: string): RegistrishError {
  if (!['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')) return fileError(error, 'write', file)
  return new RegistrishError('conflict', `cannot write ${file}: a folder of that name is there`, {
    side: 'target',
    hint: 'move it away, or deploy into another folder',
    cause: error,
  })
}

const MOST_TRIES = 5
const NO_LINK = new Set(['EMLINK', 'EPERM', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
