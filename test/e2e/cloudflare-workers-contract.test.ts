import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { parseRequestPath } from '../../src/tree/layout.ts'
import { servingContract } from '../contract/serving.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { run } from './support/run.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'
import { startWorkers } from './support/workers.ts'

/* The real runtime, with a bucket in which there is also what no client may read. */

describeWith(['wrangler'], 'wrangler dev', () => {
  test('takes the settings without a warning', async () => {
    const root = await makeTemporaryFolder()
    await emitHosts(openTree(root), [{ name: 'cloudflare-workers', options: { bucket: 'images' } }])
    const deploying = ['deploy', '--dry-run', '--config', join(root, 'cloudflare-workers/wrangler.jsonc')]
    const env = { HOME: root, XDG_CONFIG_HOME: root, CI: 'true', WRANGLER_SEND_METRICS: 'false', NO_COLOR: '1' }
    const { stdout, stderr } = await run(toolPath('wrangler'), deploying, { env })
    expect(stdout).toContain('env.CONTENT (images)')
    expect(stdout + stderr).not.toMatch(/warning|unexpected|error/i)
  })

  servingContract('Cloudflare Workers', root => startWorkers(root, hiddenObjects(root)), {
    exceptions: ['json-compressed'],
  })
})

/** The files that a careless server would hand out, as objects. */
function hiddenObjects(root: string): ReadonlyMap<string, string> {
  const keys = [
    'index.html',
    '.registrish/secret',
    'v2/secret.txt',
    'v2/_headers',
    'v2/404.html',
    'v2/app/secret',
    'v2/app/manifests/.hidden',
    'v2/app/blobs/readme',
    'v2/app/tags/other',
  ]
  return new Map(
    keys
      .filter(key => parseRequestPath(`/${key}`) === undefined)
      .map(key => [key, readFileSync(join(root, key), 'utf8')]),
  )
}
