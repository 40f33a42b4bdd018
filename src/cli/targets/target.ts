import type { ObjectStore } from '../../deploy/store.ts'
import type { OnProgress } from '../../progress.ts'
import type { Arguments, Flag } from '../command.ts'

/** How a store is spoken to. */
export interface StoreOptions {
  readonly onProgress: OnProgress
  readonly jobs: number
  readonly caFile?: string
}

/** What all places that are deployed to have in common. */
interface AnyTarget {
  /** The flags that name it, for commands that are told: `--s3 bucket`. */
  readonly flags: string
  /** What the user should know, a sentence each. */
  readonly notes: readonly string[]
}

/** A store that keeps objects: compared with the tree, then changed where it differs. */
export interface StoreTarget extends AnyTarget {
  readonly kind: 'store'
  /** Says what a new one needs: a command. */
  readonly setup: string
  /** What nothing here has proven, and why, as a phrase: said whenever something is deployed to it. */
  readonly unproven?: string
  /** The folder (absolute) that it is, a tree like any other: the hosts in use there are brought up to date after a deploy. */
  readonly folder?: string
  /** Opens it; loads what is heavy. */
  open(options: StoreOptions): Promise<ObjectStore>
}

/** A service that takes a whole site at once, by a program of its own. */
export interface SiteTarget extends AnyTarget {
  readonly kind: 'site'
  /** Name of its emitter, which makes the site: `netlify`. */
  readonly host: string
  /** The site or project as its program knows it; undefined: the one that the program was linked with. */
  readonly site?: string
  /** The branch that it is published from, where the host has such. */
  readonly branch?: string
}

/** A place that is deployed to. */
export type DeployTarget = StoreTarget | SiteTarget

/** One kind of place, chosen by its flag. */
export interface TargetKind {
  /** The flag that names a place of this kind, and others about it. */
  readonly flags: readonly [Flag, ...Flag[]]
  /** The place that the flags name, where the first is given. @throws RegistrishError `usage`. */
  parse(value: string, args: Arguments): DeployTarget
}
