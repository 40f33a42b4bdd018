import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { emitHosts } from '../../../src/emit/apply.ts'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { fillLocalBucket } from './local-r2.ts'
import { startWrangler, type Wrangler } from './wrangler.ts'

/** Starts `wrangler dev` of the worker that `emit` writes, on a bucket of its own with what `deploy` puts there, and with what else is given. */
export async function startWorkers(root: string, others?: ReadonlyMap<string, string>): Promise<Wrangler> {
  await emitHosts(openTree(root), [{ name: 'cloudflare-workers', options: { bucket: 'content' } }])
  const folder = await mkdtemp(join(tmpdir(), 'registrish-r2-'))
  await fillLocalBucket(root, { folder, bucket: 'content', ...(others === undefined ? {} : { others }) })
  return startWrangler(
    ['dev', '--config', join(root, 'cloudflare-workers/wrangler.jsonc'), '--local', '--persist-to', folder],
    folder,
  )
}
