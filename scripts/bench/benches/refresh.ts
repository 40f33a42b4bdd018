import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Case, Sample } from '../bench.ts'
import { costMeasures, costSample } from '../cost.ts'
import { makeLayout } from '../make-layout.ts'
import { largeSize, makeTree, repositoryName } from '../make-tree.ts'
import { emitFor, type HostForm, hostForms, registrish } from '../registrish.ts'

/** One more tag in a large tree that a host is in use for: what `fetch` takes, which keeps the host's files right, against emitting for that host. */
export const refresh: Bench = {
  name: 'refresh',
  summary: 'fetch of one more tag into 100,000, nginx in use, against emit',
  needs: [],
  runs: { full: 2, quick: 1 },
  async prepare({ folder, quick }) {
    const { root } = await makeTree(join(folder, 'tree'), largeSize(quick))
    makeLayout(join(folder, 'layout'), 100)
    let fetched = 0
    const fetchNext = async (): Promise<Sample> => {
      const image = `oci:${join(folder, 'layout')}:new-${fetched++}`
      return costSample(await registrish('fetch', image, '--as', repositoryName(100), '--root', root))
    }
    return hostForms().flatMap(host => (host.emitter.name === 'nginx' ? [...casesOf(host, root, fetchNext)] : []))
  },
}

function casesOf(host: HostForm, root: string, fetchNext: () => Promise<Sample>): readonly Case[] {
  const common = (against: string): Pick<Case, 'name' | 'needs' | 'measures'> => ({
    name: `${host.title}, against ${against}`,
    needs: [],
    measures: costMeasures('<= 0.3 x'),
  })
  const emitAgain = async (): Promise<Sample> => costSample(await emitFor(host, root))
  const emitAll = (): Promise<Sample> => {
    rmSync(join(root, 'nginx'), { recursive: true, force: true })
    return emitAgain()
  }
  const setup =
    (name: string, run: () => Promise<Sample>): Case['setup'] =>
    async () => {
      await emitAll()
      return [
        { name: 'fetch', run: fetchNext },
        { name, run },
      ]
    }
  const first = { ...common('the first emit'), setup: setup('emit', emitAll) }
  return host.form === 'map' ? [first] : [first, { ...common('emit again'), setup: setup('emit', emitAgain) }]
}
