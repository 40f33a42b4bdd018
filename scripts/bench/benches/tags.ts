import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Case, Sample, Side } from '../bench.ts'
import { costMeasures } from '../cost.ts'
import { cranePull } from '../peers.ts'
import { readCpuOfEnded, runMeasured } from '../programs.ts'
import { registrish } from '../registrish.ts'
import { putImage, putRandomLayer, type RegistryData } from '../registry-data.ts'
import { startUpstream } from '../upstream.ts'

/** How many programs run at once where one alone does not do all. */
const WORKERS = 8

/** All tags of a repository by one command of registrish against several of crane at once. */
export const tags: Bench = {
  name: 'tags',
  summary: `200 tags with a layer of 20 MB in common, by one command against crane in ${WORKERS} processes at once`,
  needs: ['docker-registry', 'crane'],
  room: { bytes: 2 ** 30, files: 10_000 },
  runs: { full: 3, quick: 1 },
  async prepare(context) {
    const root = join(context.folder, 'registry')
    const names = putTags({ root, repository: 'app' }, context.quick ? 50 : 200)
    const repository = `${await startUpstream(context, root)}/app`
    const all = { repository, tags: names, folder: join(context.folder, 'target') }
    return [
      caseOf('against a process for each tag', all, { share: 1, aim: '<= 0.5 x' }),
      caseOf('against a process for each eighth', all, { share: Math.ceil(names.length / WORKERS) }),
    ]
  },
}

interface Tags {
  readonly repository: string
  readonly tags: readonly string[]
  /** Where they go. */
  readonly folder: string
}

function putTags(data: RegistryData, count: number): readonly string[] {
  const base = putRandomLayer(data, 20_000_000)
  return Array.from({ length: count }, (_, index) => {
    const tag = `1.${index}`
    putImage(data, tag, [base, putRandomLayer(data, 10_000)])
    return tag
  })
}

/** How crane is run: how many tags each of its processes pulls, one after the other. */
interface Way {
  readonly share: number
  readonly aim?: string
}

function caseOf(name: string, all: Tags, { share, aim }: Way): Case {
  const { repository, folder } = all
  return {
    name,
    needs: [],
    measures: costMeasures(aim).filter(({ key }) => key !== 'memory'),
    async setup() {
      const fetchAll = async (): Promise<void> => {
        await registrish('fetch', repository, '--all-tags', '--quiet', '--root', folder)
      }
      return [
        { name: 'registrish', run: () => measure(folder, fetchAll) },
        { name: 'crane', run: () => measure(folder, () => pullAll(all, share)) },
      ]
    },
  }
}

async function measure(folder: string, copy: () => Promise<void>): ReturnType<Side['run']> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const cpu = readCpuOfEnded()
  const started = performance.now()
  await copy()
  const sample: Sample = { seconds: (performance.now() - started) / 1000, cpu: readCpuOfEnded() - cpu }
  rmSync(folder, { recursive: true, force: true })
  return sample
}

/** Each worker takes the next tags until there are none, into a layout of its own: what it has there it does not pull again. */
async function pullAll({ repository, tags: names, folder }: Tags, share: number): Promise<void> {
  const images = names.map(tag => `${repository}:${tag}`)
  const work = async (worker: number): Promise<void> => {
    while (images.length > 0) await runMeasured(cranePull(images.splice(0, share), join(folder, String(worker))))
  }
  await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)))
}
