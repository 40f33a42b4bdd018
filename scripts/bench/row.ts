import { meetsAim, parseAim } from './aim.ts'
import type { Measure, Sample } from './bench.ts'
import { median, pairRatios } from './statistics.ts'

/** All runs of one side. */
export interface SideRuns {
  readonly name: string
  readonly samples: readonly Sample[]
}

/** Some figures and their median. */
interface Figures {
  readonly name: string
  readonly median: number
  readonly values: readonly number[]
}

/** A line of the table: a figure, or why there is none. */
export type Row = MeasuredRow | MissingRow

/** A figure of a case. */
export interface MeasuredRow {
  readonly bench: string
  readonly case: string
  readonly measure: string
  readonly unit: string
  readonly ours: Figures
  readonly against?: Figures
  /** Median of the ratios of the pairs of runs. */
  readonly ratio?: Omit<Figures, 'name'>
  readonly aim?: string
  /** Absent where there is no aim or the figure cannot be had on this machine. */
  readonly met?: boolean
}

/** A case or a whole bench that was not run. */
interface MissingRow {
  readonly bench: string
  readonly case?: string
  readonly notRun: string
  /** It could have been run and went wrong. */
  readonly failed: boolean
}

/** Judges one figure of the runs of a case. */
export function makeRow(
  place: Pick<MeasuredRow, 'bench' | 'case'>,
  { key, name, unit, aim }: Measure,
  [ours, against]: readonly [SideRuns, SideRuns?],
): MeasuredRow {
  const own = figuresOf(ours, key)
  const others = against === undefined ? undefined : figuresOf(against, key)
  const ratios = others === undefined ? undefined : pairRatios(own.values, others.values)
  const ratio = ratios === undefined ? undefined : { median: median(ratios), values: ratios }
  const parsed = aim === undefined ? undefined : parseAim(aim, unit)
  const met = parsed === undefined ? undefined : meetsAim(parsed, (parsed.ofRatio ? ratio : own)?.median ?? Number.NaN)
  return {
    ...place,
    measure: name,
    unit,
    ours: own,
    ...(others === undefined ? {} : { against: others }),
    ...(ratio === undefined ? {} : { ratio }),
    ...(aim === undefined ? {} : { aim }),
    ...(met === undefined ? {} : { met }),
  }
}

function figuresOf({ name, samples }: SideRuns, key: string): Figures {
  const values = samples.map(sample => sample[key] ?? Number.NaN)
  return { name, values, median: values.some(Number.isNaN) ? Number.NaN : median(values) }
}
