import type { Measure, Sample } from './bench.ts'
import type { Cost } from './programs.ts'

/** The lines of a table that say what a program took; an aim is for its time. */
export function costMeasures(aim?: string): readonly Measure[] {
  return [
    { key: 'seconds', name: 'time', unit: 's', ...(aim === undefined ? {} : { aim }) },
    { key: 'cpu', name: 'processor time', unit: 's' },
    { key: 'memory', name: 'peak memory', unit: 'MiB' },
  ]
}

/** The figures for {@link costMeasures}. */
export function costSample({ seconds, cpu, memory }: Omit<Cost, 'stdout'>): Sample {
  return { seconds, cpu, memory }
}
