import { RegistrishError } from '../errors.ts'
import type { RouteTable } from '../tree/route.ts'
import type { EmitOptions, EmitProblem, Emitter } from './emitter.ts'

/** A host and the options to emit with, complete and parsed. */
export interface Job {
  readonly emitter: Emitter
  readonly options: EmitOptions
}

/** What a host cannot do with a table but can live with. @throws RegistrishError `name-invalid` or `limit` for what it cannot live with. */
export async function checkTable({ emitter, options }: Job, table: RouteTable): Promise<readonly EmitProblem[]> {
  const warnings: EmitProblem[] = []
  for await (const problem of emitter.check(table, options)) {
    if (problem.level === 'refuse') {
      const hint = problem.hint === undefined ? {} : { hint: problem.hint }
      throw new RegistrishError(problem.code, `${emitter.title}: ${problem.text}`, { side: 'target', ...hint })
    }
    warnings.push(problem)
  }
  return warnings
}
