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
  /** The arguments of its runs, one after the other. `site`: as the program knows it, undefined for the one that it was linked with. */
  runs(site: string | undefined): readonly (readonly string[])[]
  /** Where a site is seen, as far as its name says so: `my-site.netlify.app`. */
  hostOf(site: string | undefined): string | undefined
  /** Where it turned out to be seen: the URL that the last run's standard output names. */
  readUrl(output: string): string | undefined
}
