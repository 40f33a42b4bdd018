import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Bench } from './bench/bench.ts'
import { BENCHES } from './bench/benches.ts'
import { describeMachine, formatMachine } from './bench/machine.ts'
import { endAll } from './bench/programs.ts'
import type { Row } from './bench/row.ts'
import { runBench } from './bench/run-bench.ts'
import { formatTable } from './bench/table.ts'

/*
 * `npm run bench`: how fast registrish is, side by side with something that is known, on this machine. `-- emit webservers` runs those
 * only, `-- --list` names them, `--quick` runs each fewer times, `--json FILE` also writes all figures. An aim that is missed is said in
 * the table and is no failure: machines are noisy. What could not be run at all is, unless only a program is absent.
 */

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { list: { type: 'boolean' }, quick: { type: 'boolean' }, json: { type: 'string' } },
  })
  const benches = choose(positionals)
  if (values.list === true) {
    for (const { name, summary } of benches) console.log(`${name.padEnd(12)}${summary}`)
    return 0
  }
  const quick = values.quick === true
  const machine = describeMachine()
  const started = new Date()
  console.log(formatMachine(machine))
  console.log(quick ? 'Quick: fewer runs, and smaller trees than are said.\n' : '')
  const rows: Row[] = []
  for (const bench of benches) {
    const found = await runBench(bench, { quick, say: text => console.error(text) })
    console.log(`\n${formatTable(found, new Map([[bench.name, bench.summary]]))}`)
    rows.push(...found)
  }
  const seconds = Math.round((Date.now() - started.getTime()) / 1000)
  console.log(`${countMissed(rows)}; ${seconds} s`)
  if (values.json !== undefined) {
    const report = { started: started.toISOString(), seconds, quick, machine, rows }
    writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`)
  }
  return rows.some(row => 'notRun' in row && row.failed) ? 1 : 0
}

/** The benches named, or all. @throws Error for a name that is none. */
function choose(names: readonly string[]): readonly Bench[] {
  const unknown = names.find(name => !BENCHES.some(bench => bench.name === name))
  if (unknown !== undefined)
    throw new Error(`no such benchmark: ${unknown} (there are ${BENCHES.map(({ name }) => name).join(', ')})`)
  return names.length === 0 ? BENCHES : BENCHES.filter(({ name }) => names.includes(name))
}

function countMissed(rows: readonly Row[]): string {
  const judged = rows.flatMap(row => ('notRun' in row || row.met === undefined ? [] : [row.met]))
  const missing = rows.filter(row => 'notRun' in row).length
  const met = judged.filter(Boolean).length
  return `${met} of ${judged.length} aims met${missing === 0 ? '' : `, ${missing} not run`}`
}

process.on('exit', endAll)
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  if (error instanceof TypeError) console.error('usage: npm run bench -- [--list] [--quick] [--json FILE] [NAME...]')
  process.exitCode = 1
}
