import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { makeImage } from '../support/made-images.ts'
import { writeTree } from '../support/write-images.ts'
import { describePulls } from './support/client-pulls.ts'
import { describeWith, sharedEngine } from './support/suites.ts'
import { startWorkers } from './support/workers.ts'
import { startPages } from './support/wrangler.ts'

/* Real images, and every client pulls and runs them from Cloudflare's own development servers. */

const SITE = 'cloudflare-pages/site'

describePulls('Cloudflare Workers', ['wrangler'], root => startWorkers(root))

describePulls('Cloudflare Pages', ['wrangler'], async root => {
  await emitHosts(openTree(root), [{ name: 'cloudflare-pages' }])
  return startPages(join(root, SITE))
})

describeWith(['wrangler', 'engine'], 'from Cloudflare Pages with a digest on tags', () => {
  it('docker before 29 fails, since HEAD has no length: this is why tags have none', async () => {
    const root = await mkdtemp(join(tmpdir(), 'rge-'))
    const image = await makeImage()
    await writeTree(root, 'app', { latest: image })
    await emitHosts(openTree(root), [{ name: 'cloudflare-pages' }])
    const rule = `\n/v2/app/manifests/latest\n  Docker-Content-Digest: ${image.root.digest}\n`
    await appendFile(join(root, SITE, '_headers'), rule)
    const server = await startPages(join(root, SITE))
    try {
      const { failed, stderr } = await sharedEngine().docker(['pull', `${server.host}/app`], { reject: false })
      expect(failed).toBe(true)
      expect(stderr).toContain('Content-Length')
    } finally {
      await server.close()
      await rm(root, { recursive: true })
    }
  })
})
