import { rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError } from '../errors.ts'
import { ensureFolder } from './files.ts'
import { asideFolder } from './layout.ts'

/** What verify does, in the order of its report. */
const VERIFY_STEPS = ['names', 'manifests', 'tags', 'blobs', 'graphs', 'documents', 'links'] as const

export type VerifyStepName = (typeof VERIFY_STEPS)[number]

/** One step and its counts. */
export interface VerifyStep {
  readonly name: VerifyStepName
  /** Files, or for `graphs` manifests, or for `links` blobs that were compared with those of other repositories. */
  readonly checked: number
  readonly problems: number
}

/** Something that is wrong. */
export interface VerifyProblem {
  readonly step: VerifyStepName
  /** Root-relative path. */
  readonly path: string
  readonly text: string
  /** What `repair` did about it. */
  readonly repaired?: string
}

/** Something that is worth knowing, but not wrong. */
export interface VerifyNote {
  readonly step: VerifyStepName
  readonly path: string
  readonly text: string
}

export interface VerifyReport {
  readonly steps: readonly VerifyStep[]
  /** None: the tree is right. Repaired ones are among them: images may lack what was moved aside until they are fetched again. */
  readonly problems: readonly VerifyProblem[]
  readonly notes: readonly VerifyNote[]
  /** Bytes that were hashed. */
  readonly bytes: number
  /** Children of indexes that are not in the tree. */
  readonly absentChildren: number
  /** Foreign layers that are not in the tree. */
  readonly absentForeignLayers: number
  /** Blobs that became names of an equal blob of another repository, and the bytes that saved. */
  readonly relinked: { readonly files: number; readonly bytes: number }
  /** Root-relative folder that bad files were moved to. */
  readonly aside?: string
}

/** Collects what the steps find. */
export interface Findings {
  readonly repair: boolean
  checked(step: VerifyStepName, count?: number): void
  problem(problem: VerifyProblem): void
  note(note: VerifyNote): void
  hashed(bytes: number): void
  absent(what: 'child' | 'foreign'): void
  relinked(bytes: number): void
  /** Reports a bad file and, with `repair`, moves it out of the way, its path kept. */
  badFile(problem: VerifyProblem): Promise<void>
  report(): VerifyReport
}

export function createFindings(root: string, repair: boolean): Findings {
  const counts = new Map<VerifyStepName, number>()
  const problems: VerifyProblem[] = []
  const notes: VerifyNote[] = []
  const absent = { child: 0, foreign: 0 }
  const links = { files: 0, bytes: 0 }
  const aside = `${asideFolder}/${new Date().toISOString().replaceAll(':', '-')}`
  let bytes = 0
  let moved = false
  return {
    repair,
    checked: (step, count = 1) => counts.set(step, (counts.get(step) ?? 0) + count),
    problem: problem => problems.push(problem),
    note: note => notes.push(note),
    hashed(count) {
      bytes += count
    },
    absent(what) {
      absent[what] += 1
    },
    relinked(count) {
      links.files += 1
      links.bytes += count
    },
    async badFile(problem) {
      if (!repair) {
        problems.push(problem)
        return
      }
      await moveAside(root, problem.path, `${aside}/${problem.path}`)
      moved = true
      problems.push({ ...problem, repaired: `moved to ${aside}/${problem.path}` })
    },
    report: () => ({
      steps: VERIFY_STEPS.filter(name => repair || name !== 'links').map(name => ({
        name,
        checked: counts.get(name) ?? 0,
        problems: problems.filter(({ step }) => step === name).length,
      })),
      problems,
      notes,
      bytes,
      absentChildren: absent.child,
      absentForeignLayers: absent.foreign,
      relinked: links,
      ...(moved ? { aside } : {}),
    }),
  }
}

async function moveAside(root: string, from: string, to: string): Promise<void> {
  try {
    await ensureFolder(dirname(join(root, to)))
    await rename(join(root, from), join(root, to))
  } catch (error) {
    throw fileError(error, 'move aside', from)
  }
}
