import { lstatSync, readdirSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, RegistrishError } from '../errors.ts'
import { newTemporary } from './files.ts'
import { incomingFolder, manifestPath, manifestsFolder } from './layout.ts'

const folding = new Map<string, Promise<boolean>>()

/**
 * Refuses a tag that differs from another only by case on a disk that takes both for one name: the second would overwrite the first.
 * @throws RegistrishError `conflict`.
 */
export async function checkCase(
  root: string,
  repository: string,
  tag: string,
  folds: Promise<boolean> = foldsCase(root),
): Promise<void> {
  if (!(await folds)) return
  if (lstatSync(join(root, manifestPath(repository, tag)), { throwIfNoEntry: false }) === undefined) return
  const names = readdirSync(join(root, manifestsFolder(repository)))
  if (names.includes(tag)) return
  const other = names.find(name => name.toLowerCase() === tag.toLowerCase()) ?? tag.toLowerCase()
  throw new RegistrishError(
    'conflict',
    `cannot tag ${repository}:${tag}: this disk folds case, and ${repository}:${other} is there`,
    {
      hint: 'use a case-sensitive disk (on macOS: an APFS volume formatted as case-sensitive), or fetch the two into different repositories with --as',
      side: 'target',
    },
  )
}

/** Whether the disk of a tree takes names that differ only by case for one; found out once by trying. */
function foldsCase(root: string): Promise<boolean> {
  const known = folding.get(root)
  if (known !== undefined) return known
  const probing = probe(root)
  folding.set(root, probing)
  probing.catch(() => folding.delete(root)) // thrown to who asked; the next one tries again
  return probing
}

async function probe(root: string): Promise<boolean> {
  try {
    const path = `${await newTemporary(root)}-Case`
    try {
      await writeFile(path, '')
      return lstatSync(path.replace(/-Case$/, '-cASE'), { throwIfNoEntry: false }) !== undefined
    } finally {
      await rm(path, { force: true })
    }
  } catch (error) {
    throw fileError(error, 'write into', join(root, incomingFolder))
  }
}
