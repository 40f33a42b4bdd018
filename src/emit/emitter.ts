import type { Digest } from '../oci/digest.ts'
import type { Route, RouteFamily, RouteTable } from '../tree/route.ts'

/** Values of an emitter's own options, by name: `{ port: '5555' }`. */
export type EmitOptions = Readonly<Record<string, string>>

/** One option of an emitter, a command line flag `--name`. */
export interface EmitOption {
  readonly name: string
  /** Stands for the value in help: `--port N`. */
  readonly value: string
  readonly description: string
  /** Where the host was not emitted for before. */
  readonly default: string
  /** Returns the value, normalised. @throws RegistrishError `usage`. */
  parse(text: string): string
}

/** A file to be written: root-relative path, content as chunks of text, which are asked for once, those of one file after those of another. */
export interface EmittedFile {
  readonly path: string
  readonly chunks: Iterable<string> | AsyncIterable<string>
  /** The file gets no first line, since its format has no comments: it is known to be ours by its text (its chunks may be asked for again) or by the marker. */
  readonly bare?: true
}

/** A second name for a file of the tree, as a hard link, or as a copy where the file system gives none. Paths root-relative. */
export interface HardLink {
  readonly type: 'link'
  readonly path: string
  readonly to: string
  /** What the file must be. Checked where `to` is named otherwise: a tag's file may have moved on since it was listed. */
  readonly digest: Digest
}

/** A symbolic link, relative on disk, to another link of the same host. Paths root-relative. */
export interface SymbolicLink {
  readonly type: 'symlink'
  readonly path: string
  readonly to: string
}

/** A small file that names another link of the same host. Path root-relative. */
export interface TextFile {
  readonly type: 'text'
  readonly path: string
  readonly text: string
}

/** A link beside v2/ that tells a server what a file's name in v2/ cannot. */
export type EmittedLink = HardLink | SymbolicLink | TextFile

/** How a host's links are laid out: those of a repository depend on its routes only. */
export interface LinkFarm {
  /** Root-relative folder that holds this host's links and nothing else. */
  readonly folder: string
  /** Root-relative folder below it that holds the links of one repository, all of them and no others, at any depth. */
  folderOf(repository: string): string
  /** The links that a route needs, which is none for blobs; hard links before the symbolic links and small files that name them. */
  links(route: Route): Iterable<EmittedLink>
  /** Small files that belong to no repository, in the folder `folderOf('')`. */
  files?(families: readonly RouteFamily[]): Iterable<TextFile>
}

/** A file of a site, path root-relative: another name of a file of the tree (`to`, root-relative), or bytes. */
export type SiteFile =
  | { readonly path: string; readonly to: string; readonly digest: Digest }
  | { readonly path: string; readonly bytes: Uint8Array }

/** A folder that is published as a whole: everything the host serves, as links to the tree's files, and what the emitter prints into it. */
interface Site {
  /** Root-relative folder that holds the site and nothing else: `netlify/site`. */
  readonly folder: string
  /** What the paths of its files begin with, below the folder: what else is there is somebody's own. */
  readonly names: ReadonlySet<string>
  /** Every file of the site but those that `emit` prints; each path once. Where the host rewrites, a blob stands in one pool and not once a repository. */
  files(table: RouteTable, options: EmitOptions): AsyncIterable<SiteFile>
}

/** What a host cannot do with a table: `refuse` stops before anything is written, `warn` is said and done. */
export interface EmitProblem {
  readonly level: 'refuse' | 'warn'
  /** `name-invalid`: something that would break or inject into the host's files; `limit`: more than the host can hold. */
  readonly code: 'name-invalid' | 'limit'
  readonly text: string
  readonly hint?: string
}

/** What a host can hold, as far as it is published. */
interface HostLimits {
  readonly filesPerFolder?: number
}

/** One static host: prints the route table in that host's tongue. Pure: no disk, clock or environment; the same table gives the same bytes. */
export interface Emitter {
  readonly name: string
  readonly title: string
  /** The host's own documentation of what is emitted. */
  readonly documentation: string
  readonly limits: HostLimits
  readonly options: readonly EmitOption[]
  /** Root-relative path of the file whose first line marks this host as in use and records the options. */
  readonly marker: string
  /** What begins a comment line in this host's files. */
  readonly comment: string
  /** What makes a server use the files at all, said the first time; one line. */
  setup?(options: EmitOptions): string
  /** The command that makes what changed take effect (root-relative paths of files; the farm's folder stands for all of its links); undefined where none is needed. */
  reload?(options: EmitOptions, changed: readonly string[]): string | undefined
  readonly farm?: LinkFarm
  readonly site?: Site
  /** What nothing here has proven, and why, as a phrase: said whenever the host is emitted for. */
  readonly unproven?: string
  /** Where the host has a farm, `table` holds one repository only, without its blobs. */
  check(table: RouteTable, options: EmitOptions): AsyncIterable<EmitProblem>
  /** The files, the marker last; each without the first line that the caller gives it. */
  emit(table: RouteTable, options: EmitOptions): AsyncIterable<EmittedFile>
}
