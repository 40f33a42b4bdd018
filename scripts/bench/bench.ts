/** Figures of one run, by key: `{ seconds: 3.2, memory: 210 }`. One that cannot be had on this machine is NaN. */
export type Sample = Readonly<Record<string, number>>

/** One of two things compared. */
export interface Side {
  readonly name: string
  /** Does it once, from the same state each time, and says what it took. */
  run(): Promise<Sample>
}

/** A figure of a case: one line of the table. */
export interface Measure {
  /** Its key in the samples. */
  readonly key: string
  readonly name: string
  readonly unit: string
  /** `<= 15 s` for the figure itself, `>= 0.4 x` for its ratio to the other side's. */
  readonly aim?: string
}

/** One thing measured, alone or against another. */
export interface Case {
  readonly name: string
  /** Programs without which this case cannot be run. */
  readonly needs: readonly string[]
  /** Why it cannot be run here, where something else than a program is lacking. */
  readonly lacks?: string | undefined
  readonly measures: readonly Measure[]
  /** Makes what the runs need. What is measured comes first; the other one, if any, runs in turn with it. */
  setup(): Promise<readonly [ours: Side, against?: Side]>
}

/** What a bench may use. */
export interface Context {
  /** An empty folder that other users can read; removed afterwards. */
  readonly folder: string
  readonly quick: boolean
  /** Has something done after the last case, whatever went wrong, and before the folder goes: a server stopped. The last one given is the first one done. */
  atEnd(action: () => Promise<void>): void
}

/** Bytes and files, generously. */
export interface Room {
  readonly bytes: number
  readonly files: number
}

/** A benchmark: one file in benches/, one line in benches.ts. */
export interface Bench {
  readonly name: string
  /** What is measured against what. */
  readonly summary: string
  /** Programs without which none of its cases can be run. */
  readonly needs: readonly string[]
  /** What it needs in the folder, where that is more than others need. */
  readonly room?: Room
  /** How often each side runs. */
  readonly runs: { readonly full: number; readonly quick: number }
  /** Makes what all cases need. */
  prepare(context: Context): Promise<readonly Case[]>
}
