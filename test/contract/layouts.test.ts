import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openOciArchive } from '../../src/layout/oci-archive.ts'
import { openOciLayout } from '../../src/layout/oci-layout.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { packLayout, writeLayout } from '../support/write-images.ts'
import { sourceContract } from './source.ts'

sourceContract('an OCI layout', async images => {
  const folder = await makeTemporaryFolder()
  await writeLayout(folder, images)
  return { source: await openOciLayout(folder), repository: 'app' }
})

sourceContract('an OCI archive', async images => {
  const file = join(await makeTemporaryFolder(), 'images.tar')
  await writeFile(file, await packLayout(images))
  return { source: await openOciArchive(file), repository: 'app' }
})

sourceContract('a compressed OCI archive', async images => {
  const file = join(await makeTemporaryFolder(), 'images.tar.gz')
  await writeFile(file, gzipSync(await packLayout(images)))
  return { source: await openOciArchive(file), repository: 'app' }
})
