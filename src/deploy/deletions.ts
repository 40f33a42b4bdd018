/*
 * What is to be deleted from a store, and how writers and pruners keep out of each other's way, with no lock that somebody could die with.
 *
 * A pruner records what nothing refers to. When that has aged it claims some of it, deletes it at once, and logs it. A writer, before its tags appear,
 * strikes off all that they rely on, waits for claims on any of it, and is told what was deleted since it began, to send it again. Every change is a
 * compare-and-swap of one object, hence of two that want the same key one comes first: struck off, it cannot be claimed; claimed, it is waited for.
 *
 * What is recorded only after a writer has looked is left to time. From the moment when a key is recorded to the beginning of a listing that may let
 * it be deleted pass YOUNGEST = 60 s at least. A writer that has not seen the record begins its last tag no later than 30 s after it had looked (CONFIRMED),
 * and has it there within 15 s more (TAG_LANDING). The record itself was there 10 s after its date at the latest (LANDING), and 5 s are for
 * clocks that differ. So that tag is in the listing, and what it needs is kept.
 */

/** Keys that became unreferenced at one time. */
export interface AgedKeys {
  /** Milliseconds since the epoch, as all times here, by the store's clock. */
  readonly since: number
  readonly keys: readonly string[]
}

/** What a pruner is deleting, or was when it died. */
export interface Claim {
  readonly id: string
  /** Nothing is deleted for this claim after that. */
  readonly until: number
  /** Tags, which do not age. */
  readonly tags: readonly string[]
  readonly unreferenced: readonly AgedKeys[]
}

/** What was deleted, or may have been: the claim of a pruner that died says no more than that. */
export interface DeletedKeys {
  /** Of the change that says so. */
  readonly generation: number
  readonly at: number
  readonly keys: readonly string[]
}

/** The record of what is to be deleted from a store. */
export interface Deletions {
  /** Grows with every change, so that no two contents are ever equal; 0: there is no record. */
  readonly generation: number
  /** Generation of the first change; begins with the date, so that a record that was deleted by hand and begun anew is another one. */
  readonly begun: number
  /** Newest generation of which the log has forgotten something. */
  readonly forgotten: number
  readonly unreferenced: readonly AgedKeys[]
  readonly claims: readonly Claim[]
  readonly log: readonly DeletedKeys[]
}

/** When a change happens. */
export interface Moment {
  readonly now: number
  /** What the change makes. */
  readonly generation: number
}
