import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Case, Sample, Side } from '../bench.ts'
import { LAYER_SIZE, largeSize, type MadeTree, makeTree } from '../make-tree.ts'
import { emitFor, type HostForm, hostForms } from '../registrish.ts'
import { median } from '../statistics.ts'

/** `registrish emit` for each host, from nothing: time, memory, and whether both grow with the tree only. */
export const emit: Bench = {
  name: 'emit',
  summary: 'registrish emit in a new process, 1,000 repositories of 100 tags against 100 of 100',
  needs: [],
  runs: { full: 2, quick: 1 },
  async prepare({ folder, quick }) {
    const trees = {
      large: await makeTree(join(folder, 'large'), largeSize(quick)),
      small: await makeTree(join(folder, 'small'), { repositories: 100, tags: 100 }),
      empty: await makeTree(join(folder, 'empty'), { repositories: 0, tags: 0 }),
    }
    return hostForms().map(host => caseOf(host, trees))
  },
}

interface Trees {
  readonly large: MadeTree
  readonly small: MadeTree
  readonly empty: MadeTree
}

function caseOf(host: HostForm, { large, small, empty }: Trees): Case {
  return {
    name: host.title,
    needs: [],
    measures: [
      { key: 'seconds', name: 'time', unit: 's', aim: '<= 15 s' },
      { key: 'cpu', name: 'processor time', unit: 's' },
      { key: 'perTag', name: 'the same per tag, without the start', unit: 'µs', aim: '<= 1.3 x' },
      { key: 'memory', name: 'peak memory', unit: 'MiB', aim: '<= 400 MiB' },
      { key: 'read', name: `read (one blob: ${LAYER_SIZE / 2 ** 20} MiB)`, unit: 'MiB', aim: '<= 1024 MiB' },
    ],
    async setup() {
      const starts: number[] = []
      for (let run = 0; run < 3; run += 1) starts.push((await emitFromNothing(host, empty, 0))['cpu'] ?? 0)
      const start = median(starts)
      const side = (name: string, tree: MadeTree): Side => ({ name, run: () => emitFromNothing(host, tree, start) })
      return [side('large', large), side('small', small)]
    },
  }
}

async function emitFromNothing(host: HostForm, { root, byTag }: MadeTree, start: number): Promise<Sample> {
  removeEmitted(root)
  const { seconds, cpu, memory, read } = await emitFor(host, root)
  return { seconds, cpu, memory, read, perTag: ((cpu - start) / byTag.length) * 1_000_000 }
}

/** What hosts are given stands beside v2/, or in it beside the repositories. */
function removeEmitted(root: string): void {
  for (const folder of [root, join(root, 'v2')]) {
    for (const name of readdirSync(folder)) if (!OF_TREE.test(name)) rmSync(join(folder, name), { recursive: true })
  }
}

const OF_TREE = /^(?:v2|\.registrish|\.blobs|team-\d|_catalog|index\.json)$/
