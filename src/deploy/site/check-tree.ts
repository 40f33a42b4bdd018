import type { CallOptions } from '../../oci/source.ts'
import { checkGraphs } from '../check-graphs.ts'
import { readContent } from '../content.ts'
import { emptyTree } from '../prepare.ts'
import type { PlanProblem } from '../report.ts'

/** What must not be published of a tree, or is to be known: images that lack something, which no store can have in its stead. @throws RegistrishError `usage` where it is empty. */
export async function checkTree(root: string, call: CallOptions = {}): Promise<readonly PlanProblem[]> {
  const repositories = await readContent(root, call)
  if (repositories.length === 0) throw emptyTree(root)
  return checkGraphs(repositories, new Map())
}
