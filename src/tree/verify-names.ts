import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import { asDigest, quote } from '../oci/digest.ts'
import { isRepositoryName, isReserved, isTag } from '../oci/name.ts'
import {
  blobsFolder,
  catalogPath,
  manifestsFolder,
  PUBLIC,
  referrersFolder,
  repositoryFolder,
  tagsListPath,
  versionPath,
} from './layout.ts'
import type { Findings } from './verify-report.ts'

/** Looks for names that do not belong into v2/ (notes) and symbolic links that lead out of it or nowhere (problems). Names that begin with "." are left alone. */
export async function verifyNames(root: string, findings: Findings): Promise<void> {
  const pending = ['']
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const folder = name === '' ? PUBLIC : repositoryFolder(name)
    for (const entry of listFolder(root, folder)) {
      const path = `${folder}/${entry.name}`
      const child = name === '' ? entry.name : `${name}/${entry.name}`
      if (path === catalogPath || path === versionPath) findings.checked('names')
      else if (name !== '' && OWN_FOLDERS.has(entry.name))
        await checkOwn(root, { repository: name, entry, path }, findings)
      else if (entry.isDirectory() && !isReserved(entry.name) && isRepositoryName(child)) pending.push(child)
      else await checkStranger(root, { entry, path }, findings)
    }
  }
}

/** The same for one repository, without those nested below it. */
export async function verifyRepositoryNames(root: string, repository: string, findings: Findings): Promise<void> {
  for (const entry of listFolder(root, repositoryFolder(repository))) {
    const path = `${repositoryFolder(repository)}/${entry.name}`
    if (OWN_FOLDERS.has(entry.name)) await checkOwn(root, { repository, entry, path }, findings)
  }
}

const OWN_FOLDERS = new Set(['manifests', 'blobs', 'tags', 'referrers'])

interface Found {
  readonly entry: Dirent
  /** Root-relative. */
  readonly path: string
}

async function checkOwn(
  root: string,
  { repository, entry, path }: Found & { readonly repository: string },
  findings: Findings,
): Promise<void> {
  if (!entry.isDirectory()) return checkStranger(root, { entry, path }, findings)
  for (const file of listFolder(root, path)) {
    const found = { entry: file, path: `${path}/${file.name}` }
    if (!belongs(repository, found)) await checkStranger(root, found, findings)
    else if (file.isSymbolicLink()) await checkLink(root, found, findings)
    else findings.checked('names')
  }
}

/** Whether a file of that name has a place there. */
function belongs(repository: string, { entry, path }: Found): boolean {
  if (entry.isDirectory()) return false
  if (path === tagsListPath(repository)) return true
  const digest = asDigest(entry.name) !== undefined
  if (path === `${manifestsFolder(repository)}/${entry.name}`) return digest || isTag(entry.name)
  return (
    digest && [blobsFolder(repository), referrersFolder(repository)].some(folder => path === `${folder}/${entry.name}`)
  )
}

async function checkStranger(root: string, { entry, path }: Found, findings: Findings): Promise<void> {
  if (entry.name.startsWith('.')) return
  if (entry.isSymbolicLink() && !(await checkLink(root, { entry, path }, findings))) return
  findings.checked('names')
  findings.note({
    step: 'names',
    path,
    text: `${quote(entry.name)} does not belong here and is not served by registrish`,
  })
}

/** False where a symbolic link is a problem. */
async function checkLink(root: string, { path }: Found, findings: Findings): Promise<boolean> {
  findings.checked('names')
  const text = linkProblem(root, path)
  if (text !== undefined) await findings.badFile({ step: 'names', path, text })
  return text === undefined
}

function linkProblem(root: string, path: string): string | undefined {
  try {
    const target = realpathSync(join(root, path))
    const inside = relative(realpathSync(join(root, PUBLIC)), target)
    if (inside === '..' || inside.startsWith(`..${sep}`)) return 'it is a symbolic link that leads out of the tree'
    statSync(target)
    return undefined
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENOTDIR'].includes(systemCode(error) ?? ''))
      return 'it is a symbolic link that leads nowhere'
    throw fileError(error, 'read', path)
  }
}

function listFolder(root: string, folder: string): readonly Dirent[] {
  try {
    return readdirSync(join(root, folder), { withFileTypes: true })
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw fileError(error, 'list', folder)
  }
}
