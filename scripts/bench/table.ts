import type { MeasuredRow, Row } from './row.ts'

/** The rows as a table for a terminal, with a heading for each bench. */
export function formatTable(rows: readonly Row[], summaries: ReadonlyMap<string, string>): string {
  const benches = [...new Set(rows.map(({ bench }) => bench))]
  return benches
    .map(name => {
      const own = rows.filter(({ bench }) => bench === name)
      return [`${name}: ${summaries.get(name) ?? ''}`, ...formatBench(own), ''].join('\n')
    })
    .join('\n')
}

/** Rounded to three digits, thousands apart: `41,300`, `0.0213`. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return '?'
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 6 })
}

/** Cells padded to columns: the first two to the left, figures to the right, the rest to the left. */
function formatBench(rows: readonly Row[]): readonly string[] {
  const cells = rows.flatMap(row => ('notRun' in row ? [] : [cellsOf(row)]))
  const table = [HEADING, ...cells]
  const widths = HEADING.map((_, column) => Math.max(...table.map(line => line[column]?.length ?? 0)))
  const lines = table.map(line =>
    line
      .map((cell, column) =>
        RIGHT.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  const missing = rows.flatMap(row =>
    'notRun' in row ? [`${row.case ?? 'nothing'}: ${row.failed ? 'FAILED' : 'NOT RUN'}: ${row.notRun}`] : [],
  )
  return [...(cells.length === 0 ? [] : lines), ...missing].map(line => `  ${line}`)
}

const HEADING = ['case', 'figure', 'measured', 'against', 'ratio', 'from–to', 'aim', '']
const RIGHT = new Set([2, 3, 4, 5])

function cellsOf({ case: name, measure, unit, ours, against, ratio, aim, met }: MeasuredRow): readonly string[] {
  const range = ratio === undefined ? ours.values : ratio.values
  return [
    name,
    measure,
    `${formatFigure(ours.median)} ${unit}`,
    against === undefined ? '' : `${formatFigure(against.median)} ${unit}`,
    ratio === undefined ? '' : formatRatio(ratio.median),
    range.length < 2 || ratio === undefined
      ? ''
      : `${formatRatio(Math.min(...range))}–${formatRatio(Math.max(...range))}`,
    aim ?? '',
    aim === undefined ? '' : verdict(met),
  ]
}

function formatRatio(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : '?'
}

function verdict(met: boolean | undefined): string {
  if (met === undefined) return 'not measurable here'
  return met ? 'met' : 'MISSED'
}
