import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Case, Context, Side } from '../bench.ts'
import { costMeasures, costSample } from '../cost.ts'
import { LARGE_IMAGE, putLargeImage } from '../large-image.ts'
import { cranePull, skopeoCopy } from '../peers.ts'
import { type Cost, runMeasured } from '../programs.ts'
import { registrish } from '../registrish.ts'
import { makeDiskScratch } from '../scratch.ts'
import { startUpstream } from '../upstream.ts'

/** `registrish fetch` of a large image against other programs that copy images, and against itself. */
export const fetchImage: Bench = {
  name: 'fetch',
  summary: `fetch of ${LARGE_IMAGE} from docker-registry on this machine, into an empty folder`,
  needs: ['docker-registry'],
  room: { bytes: 2 * 2 ** 30, files: 10_000 },
  runs: { full: 5, quick: 2 },
  async prepare(context) {
    const root = join(context.folder, 'registry')
    putLargeImage({ root, repository: 'app' }, '1.0')
    const image = `${await startUpstream(context, root)}/app:1.0`
    const sides = sidesOf(image, context.folder)
    const against = (name: string, needs: readonly string[], aim: string, other: Side): Case => ({
      name,
      needs,
      measures: costMeasures(aim),
      setup: async () => [sides.first, other],
    })
    return [
      against('against skopeo copy', ['skopeo'], '<= 0.8 x', sides.skopeo),
      against('against crane pull', ['crane'], '<= 1.15 x', sides.crane),
      caseOfAgain(image, sides.first, join(context.folder, 'again')),
      caseOfDisk(image, sides.first, context),
    ]
  },
}

interface Sides {
  readonly first: Side
  readonly skopeo: Side
  readonly crane: Side
}

function sidesOf(image: string, folder: string): Sides {
  const side = (name: string, copy: (target: string) => Promise<Cost>): Side => ({
    name,
    run: () => intoEmpty(join(folder, name), copy),
  })
  return {
    first: side('registrish', root => fetchInto(root, image)),
    skopeo: side('skopeo', target => runMeasured(skopeoCopy(image, target))),
    crane: side('crane', target => runMeasured(cranePull([image], target))),
  }
}

/** When nothing is new: start-up, and one question. */
function caseOfAgain(image: string, first: Side, root: string): Case {
  return {
    name: 'the same again, nothing new, against the first',
    needs: [],
    measures: costMeasures('<= 0.35 x'),
    async setup() {
      await fetchInto(root, image)
      return [{ name: 'again', run: async () => costSample(await fetchInto(root, image)) }, first]
    },
  }
}

/** What it costs that a fetched image survives a loss of power; the other programs do not wait for the disk. */
function caseOfDisk(image: string, first: Side, { atEnd }: Context): Case {
  const disk = makeDiskScratch({ bytes: 2 ** 30, files: 1000 })
  if (disk !== undefined) atEnd(async () => disk.remove())
  const root = join(disk?.folder ?? '', 'tree')
  return {
    name: 'flushed to a disk, against in memory',
    needs: [],
    lacks: disk === undefined ? 'there is no disk with room for its files' : undefined,
    measures: costMeasures(),
    async setup() {
      return [{ name: 'on disk', run: () => intoEmpty(root, folder => fetchInto(folder, image)) }, first]
    },
  }
}

function fetchInto(root: string, image: string): Promise<Cost> {
  return registrish('fetch', image, '--quiet', '--root', root)
}

/** Nobody waits for what the run before left to be removed. */
async function intoEmpty(folder: string, copy: (folder: string) => Promise<Cost>): ReturnType<Side['run']> {
  rmSync(folder, { recursive: true, force: true })
  const cost = await copy(folder)
  rmSync(folder, { recursive: true, force: true })
  return costSample(cost)
}
