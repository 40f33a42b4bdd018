import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Side } from '../bench.ts'
import { costSample } from '../cost.ts'
import { registrish } from '../registrish.ts'
import { putHole, putImage } from '../registry-data.ts'
import { startUpstream } from '../upstream.ts'

/** What `registrish fetch` holds in memory of a layer that is larger than memory may be. */
export const memory: Bench = {
  name: 'memory',
  summary: 'fetch of an image of one large layer, against one of a tenth of its size',
  needs: ['docker-registry'],
  room: { bytes: 6 * 2 ** 30, files: 1000 },
  runs: { full: 2, quick: 1 },
  async prepare(context) {
    const data = { root: join(context.folder, 'registry'), repository: 'app' }
    const size = (context.quick ? 1 : 4) * 2 ** 30
    putImage(data, 'large', [putHole(data, size)])
    putImage(data, 'tenth', [putHole(data, Math.round(size / 10))])
    const host = await startUpstream(context, data.root)
    const side = (tag: string): Side => ({
      name: tag,
      run: () => fetchOnce(`${host}/app:${tag}`, join(context.folder, 'tree')),
    })
    return [
      {
        name: `a layer of ${size / 2 ** 30} GiB`,
        needs: [],
        measures: [
          { key: 'memory', name: 'peak memory', unit: 'MiB', aim: '<= 160 MiB' },
          { key: 'memory', name: 'the same, of that of a tenth', unit: 'MiB', aim: '<= 1.25 x' },
          { key: 'seconds', name: 'time', unit: 's' },
          { key: 'cpu', name: 'processor time', unit: 's' },
        ],
        setup: async () => [side('large'), side('tenth')],
      },
    ]
  },
}

async function fetchOnce(image: string, root: string): ReturnType<Side['run']> {
  const cost = await registrish('fetch', image, '--quiet', '--root', root)
  rmSync(root, { recursive: true })
  return costSample(cost)
}
