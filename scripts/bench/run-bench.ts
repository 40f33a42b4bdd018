import type { Bench, Case, Context, Sample, Side } from './bench.ts'
import { missingPrograms } from './programs.ts'
import { makeRow, type Row, type SideRuns } from './row.ts'
import { makeScratch } from './scratch.ts'

/** How {@link runBench} runs a bench. */
export interface RunOptions {
  readonly quick: boolean
  /** Told what goes on. */
  say(text: string): void
}

/** Runs a bench, case by case. What cannot be run here, and what goes wrong, becomes a row that says so. */
export async function runBench(bench: Bench, options: RunOptions): Promise<readonly Row[]> {
  const absent = missingPrograms(bench.needs)
  if (absent !== undefined) return [{ bench: bench.name, notRun: absent, failed: false }]
  const scratch = makeScratch(bench.room)
  if (scratch === undefined) return [{ bench: bench.name, notRun: 'there is no room for its files', failed: false }]
  options.say(`${bench.name}: prepared in ${scratch.folder} (${scratch.kind})`)
  const ends: (() => Promise<void>)[] = []
  try {
    const rows: Row[] = []
    const atEnd: Context['atEnd'] = action => void ends.unshift(action)
    for (const one of await bench.prepare({ folder: scratch.folder, quick: options.quick, atEnd }))
      rows.push(...(await runCase(bench, one, options)))
    return rows
  } catch (error) {
    return [{ bench: bench.name, notRun: reasonOf(error), failed: true }]
  } finally {
    for (const end of ends) await end().catch((error: unknown) => options.say(`${bench.name}: ${reasonOf(error)}`))
    scratch.remove()
  }
}

async function runCase(bench: Bench, one: Case, { quick, say }: RunOptions): Promise<readonly Row[]> {
  const place = { bench: bench.name, case: one.name }
  const absent = one.lacks ?? missingPrograms(one.needs)
  if (absent !== undefined) return [{ ...place, notRun: absent, failed: false }]
  const runs = quick ? bench.runs.quick : bench.runs.full
  say(`${bench.name}: ${one.name}, ${runs === 1 ? '1 run' : `${runs} runs`}`)
  try {
    const all = await runInTurn(await one.setup(), runs)
    return one.measures.map(measure => makeRow(place, measure, all))
  } catch (error) {
    return [{ ...place, notRun: reasonOf(error), failed: true }]
  }
}

/** A B A B…: whatever else the machine does meanwhile, it does to both. */
async function runInTurn(
  [ours, against]: readonly [Side, Side?],
  runs: number,
): Promise<readonly [SideRuns, SideRuns?]> {
  const own: Sample[] = []
  const others: Sample[] = []
  for (let run = 0; run < runs; run += 1) {
    own.push(await ours.run())
    if (against !== undefined) others.push(await against.run())
  }
  const first = { name: ours.name, samples: own }
  return against === undefined ? [first] : [first, { name: against.name, samples: others }]
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
