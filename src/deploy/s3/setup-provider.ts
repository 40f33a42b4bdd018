import type { BucketPart, Document } from './setup-documents.ts'

/** One thing to be done for a new bucket. */
export interface SetupStep {
  readonly name: string
  readonly why: string
  /** Lines for a POSIX shell; documents in them as here-documents. */
  readonly command: string
  readonly document?: Document
}

/** What the user should know of a provider. */
export interface ProviderNote {
  readonly text: string
  /** Neither measured nor read in the provider's documentation. */
  readonly unverified?: true
}

/** What a step done by a provider's own tool is printed from. `{bucket}`, `{region}`, `{host}` and `{endpoint}` stand for theirs. */
interface OwnStep {
  readonly name: string
  readonly why: string
  readonly command: string
}

/** Where a bucket may be: S3 itself, or a store like it; data, of which commands and sentences are printed. */
export interface Provider {
  readonly name: string
  readonly title: string
  readonly documentation: string
  /** For `deploy`; `{region}` stands for the region, capitals for what only the user knows. Absent: AWS. */
  readonly endpoint?: string
  /** The endpoints that are known to be this provider's. */
  readonly hosts?: RegExp
  /** Region where the user says none; a mere example where there are several. */
  readonly region: string
  /** Host that clients pull from where it is not one below the endpoint, so that `deploy` must be told it. */
  readonly host?: string
  /** The command that takes a tree there, where it is not by S3's API. `{bucket}` stands for its name. */
  readonly deploy?: string
  /** What of S3's API the provider knows and a registry needs there. */
  readonly parts: readonly BucketPart[]
  /** Objects are made public one by one: `deploy` needs --s3-acl public-read. */
  readonly acl?: true
  /** Command that takes, on its standard input, the policy of whoever deploys; absent where rights are not given by such policies. */
  readonly deployer?: string
  /** What is done by other means than S3's API, instead of its parts. */
  readonly steps?: readonly OwnStep[]
  /** `run`: tests set up and read a bucket there; `documented`: as the provider's documentation says, not run. */
  readonly proven: 'run' | 'documented'
  readonly notes: readonly ProviderNote[]
}
