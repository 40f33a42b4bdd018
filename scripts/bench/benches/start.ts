import { join } from 'node:path'
import type { Bench, Case, Sample, Side } from '../bench.ts'
import { makeTree } from '../make-tree.ts'
import { readCpuOfEnded, runMeasured } from '../programs.ts'
import { registrishCommand } from '../registrish.ts'

/** What comes before any work: the start of the program, against that of Node.js itself. */
export const start: Bench = {
  name: 'start',
  summary: 'the start of registrish against that of Node.js',
  needs: [],
  room: { bytes: 2 ** 20, files: 1000 },
  runs: { full: 15, quick: 5 },
  async prepare({ folder }) {
    const { root } = await makeTree(join(folder, 'tree'), { repositories: 3, tags: 3 })
    return [
      caseOf('registrish --version', registrishCommand('--version')),
      caseOf('registrish list, a small tree', registrishCommand('list', '--root', root)),
    ]
  },
}

function caseOf(name: string, command: readonly string[]): Case {
  return {
    name,
    needs: [],
    measures: [
      { key: 'milliseconds', name: 'time', unit: 'ms', aim: '<= 2 x' },
      { key: 'cpu', name: 'processor time', unit: 'ms' },
    ],
    async setup() {
      const node: Side = { name: 'node -e 0', run: () => startSome([process.execPath, '-e', '0']) }
      return [{ name: 'registrish', run: () => startSome(command) }, node]
    },
  }
}

/** Processor time is counted in hundredths of a second, so that some starts together say more. */
const STARTS = 4

async function startSome(command: readonly string[]): Promise<Sample> {
  const cpu = readCpuOfEnded()
  let seconds = 0
  for (let turn = 0; turn < STARTS; turn += 1) seconds += (await runMeasured(command)).seconds
  return { milliseconds: (seconds / STARTS) * 1000, cpu: ((readCpuOfEnded() - cpu) / STARTS) * 1000 }
}
