import { openTree } from '../../src/tree/disk-tree.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { sourceContract } from './source.ts'
import { treeContract } from './tree.ts'

treeContract('a tree on disk', openTree)

sourceContract('a tree made by hand', async images => {
  const root = await makeTemporaryFolder()
  await writeTree(root, 'library/app', images)
  return { source: openTree(root), repository: 'library/app' }
})
