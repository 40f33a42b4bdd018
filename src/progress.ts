import type { Digest } from './oci/digest.ts'

/** What happens while a copy runs. Nothing in the library prints; the command line renders these. Sizes and offsets in bytes. */
export type ProgressEvent =
  | {
      readonly type: 'blob-start'
      readonly repository: string
      readonly digest: Digest
      readonly size: number
      readonly offset: number
    }
  | { readonly type: 'blob-bytes'; readonly digest: Digest; readonly bytes: number }
  | { readonly type: 'blob-done'; readonly repository: string; readonly digest: Digest; readonly size: number }
  | { readonly type: 'blob-failed'; readonly digest: Digest }
  | { readonly type: 'manifest-done'; readonly repository: string; readonly digest: Digest }
  | {
      readonly type: 'tag-done'
      readonly repository: string
      readonly tag: string
      readonly digest: Digest
      readonly changed: boolean
    }
  | { readonly type: 'retry'; readonly what: string; readonly reason: string; readonly delay: number }
  | { readonly type: 'note'; readonly text: string }

/** Receives progress events; must not throw. */
export type OnProgress = (event: ProgressEvent) => void
