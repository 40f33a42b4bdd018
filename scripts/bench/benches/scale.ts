import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Case, Measure, Sample, Side } from '../bench.ts'
import { addUntagged, makeWholeTree, type WholeTree } from '../make-whole-tree.ts'
import type { Cost } from '../programs.ts'
import { REGISTRISH } from '../registries.ts'
import { emitFor, hostForms, registrish } from '../registrish.ts'
import { findFreePort, startServer } from '../server-process.ts'
import { median } from '../statistics.ts'

/** What reads a whole tree, on one of ten times as many files as on another: whether a file takes the same time in both, and whether memory stays bounded. */
export const scale: Bench = {
  name: 'scale',
  summary: '10,000 repositories, 200,000 tags, 2 million files against a tenth of all',
  needs: [],
  room: { bytes: 6 * 2 ** 30, files: 2_900_000 },
  runs: { full: 2, quick: 1 },
  async prepare({ folder, quick }) {
    const repositories = quick ? 2000 : 10_000
    const trees = {
      large: await makeWholeTree(join(folder, 'large'), repositories),
      tenth: await makeWholeTree(join(folder, 'tenth'), repositories / 10),
      empty: await makeWholeTree(join(folder, 'empty'), 0),
    }
    return [...COMMANDS.map(command => caseOf(command, trees)), caseOfServe(trees)]
  },
}

interface Command {
  readonly name: string
  /** Brings the tree into the state that the command is to find. */
  prepare?(tree: WholeTree): void
  run(tree: WholeTree): Promise<Cost>
}

const COMMANDS: readonly Command[] = [
  { name: 'list', run: ({ root }) => registrish('list', '--root', root) },
  { name: 'list --output json', run: ({ root }) => registrish('list', '--output', 'json', '--root', root) },
  { name: 'verify', run: ({ root }) => registrish('verify', '--root', root) },
  ...hostForms()
    .filter(({ emitter }) => emitter.name === 'nginx')
    .map(host => ({
      name: `emit, ${host.title}`,
      prepare: ({ root }: WholeTree) => rmSync(join(root, 'nginx'), { recursive: true, force: true }),
      run: ({ root }: WholeTree) => emitFor(host, root),
    })),
  {
    name: 'prune, one image of each repository',
    prepare: addUntagged,
    run: ({ root }) => registrish('prune', '--root', root),
  },
]

interface Trees {
  readonly large: WholeTree
  readonly tenth: WholeTree
  readonly empty: WholeTree
}

/** 600 MB. */
const MEMORY: Measure = { key: 'memory', name: 'peak memory', unit: 'MiB', aim: '<= 572 MiB' }

function caseOf({ name, prepare, run }: Command, { large, tenth, empty }: Trees): Case {
  return {
    name,
    needs: [],
    measures: [
      { key: 'seconds', name: 'time', unit: 's' },
      { key: 'cpu', name: 'processor time', unit: 's' },
      { key: 'perFile', name: 'the same per file, without the start', unit: 'µs', aim: '<= 1.3 x' },
      MEMORY,
    ],
    async setup() {
      const starts: number[] = []
      for (let turn = 0; turn < 3; turn += 1) starts.push((await run(empty)).cpu)
      const start = median(starts)
      const measure = async (tree: WholeTree): Promise<Sample> => {
        prepare?.(tree)
        const { seconds, cpu, memory } = await run(tree)
        return { seconds, cpu, memory, perFile: ((cpu - start) / tree.files) * 1_000_000 }
      }
      const side = (title: string, tree: WholeTree): Side => ({ name: title, run: () => measure(tree) })
      return [side('large', large), side('tenth', tenth)]
    },
  }
}

/** Ten times as many repositories may take ten times as long. */
function caseOfServe({ large, tenth }: Trees): Case {
  return {
    name: 'serve',
    needs: [],
    measures: [
      { key: 'seconds', name: 'start to first answer', unit: 's', aim: '<= 10 x' },
      { key: 'cpu', name: 'processor time', unit: 's' },
      { ...MEMORY, name: 'memory' },
    ],
    async setup() {
      const side = (name: string, { root, path }: WholeTree): Side => ({
        name,
        run: async () => {
          const place = { root, folder: `${root}-serve`, port: await findFreePort() }
          const running = await startServer(REGISTRISH, place, { path })
          try {
            return { seconds: running.start, ...running.use() }
          } finally {
            await running.stop()
          }
        },
      })
      return [side('large', large), side('tenth', tenth)]
    },
  }
}
