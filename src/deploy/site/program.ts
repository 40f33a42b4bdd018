/** A program that publishes a site as a whole, as data. */
export interface SiteProgram {
  /** As it is called: `netlify`. */
  readonly name: string
  /** What to do where it is not there. */
  readonly install: string
  /** What to do where it is not let in; its credentials are its own affair. */
  readonly login: string
  /** Folder that it is run in, below the tree's root; '' for the root itself. */
  readonly folder: string
  /** Whether its standard output is for people, to be passed on. */
  readonly talks: boolean
  /** What is to be done in the tree's root before it is run. */
  prepare?(root: string): Promise<void>
  /** The arguments of its runs, one after the other. */
  runs(site: Site): readonly (readonly string[])[]
  /** Where a site is seen, as far as its name says so: `my-site.netlify.app`. */
  hostOf(site: string | undefined): string | undefined
  /** What the last run's standard output says was published; undefined where it says nothing of that. @throws RegistrishError `tool-failed` where it is not what users see. */
  readResult(output: string): Published | undefined
}

/** A site as its program knows it. */
export interface Site {
  /** Its name or id; undefined for the one that the program was linked with. */
  readonly site?: string | undefined
  /** The branch that it is published from, where its host has such. Default: main. */
  readonly branch?: string | undefined
}

/** What a program published. */
interface Published {
  /** Where the site is seen, if it says so. */
  readonly url?: string
}
