import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { CallOptions, Source } from '../oci/source.ts'

/** A manifest as it stands in a tree. */
export interface StoredManifest {
  /** Its sha256 digest, computed from `bytes`. */
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly manifest: Manifest
  /** Root-relative path of the file it was read from. */
  readonly file: string
}

/** A registry made of plain files, to read. Tags and digests are what the files say at the moment of the call. */
export interface ReadonlyTree extends Source {
  /** Absolute path of the folder that holds v2/. */
  readonly root: string
  /** Names of all repositories, sorted by code unit. */
  repositories(): Promise<readonly string[]>
  /** Tags of a repository, sorted by code unit; empty where there is no such repository. */
  tags(repository: string, options?: CallOptions): Promise<readonly string[]>
  referrers(repository: string, digest: Digest, options?: CallOptions): Promise<readonly Descriptor[]>
  /**
   * Reads a manifest by tag or digest; undefined where there is none. A digest that only a tag's file holds (a tree made by hand) is found too;
   * with `mayBeOld` such a file may be overlooked that came after the first question, which spares reading them all again after each change.
   * @throws RegistrishError `manifest-invalid` or `digest-mismatch` where the file is not what its name says.
   */
  manifest(
    repository: string,
    reference: string,
    options?: { readonly mayBeOld?: boolean },
  ): Promise<StoredManifest | undefined>
  /** Size in bytes of a blob of this repository, or undefined. */
  blobSize(repository: string, digest: Digest): Promise<number | undefined>
}

/** How something is put. */
export interface PutOptions {
  /** Awaited before anything changes; not called where nothing does. */
  readonly before?: () => Promise<void>
}

/** A tree that can be written. Everything put becomes visible whole or not at all, and only when its digest is right. */
export interface Tree extends ReadonlyTree {
  /**
   * Stores a manifest at its sha256 digest and, where `digest` is a sha512 one, there as well. "Already there" is success; `before` is done first where it is not.
   * @throws RegistrishError `digest-mismatch` where the bytes are not those of `digest`.
   */
  putManifest(repository: string, bytes: Uint8Array, digest?: Digest, options?: PutOptions): Promise<void>
  /** Where a blob is, whole by its size: visible in this repository (`here`), or in another one or verified beside all (`elsewhere`), so that {@link linkBlob} can make it visible; undefined: nowhere. */
  findBlob(repository: string, descriptor: Descriptor): Promise<'here' | 'elsewhere' | undefined>
  /** Makes a blob that is anywhere in the tree visible in this repository. False where there is none. */
  linkBlob(repository: string, descriptor: Descriptor): Promise<boolean>
  /** Opens a blob for writing, after what an earlier run has left of it; waits for another process that is at the same blob. */
  writeBlob(repository: string, descriptor: Descriptor, options?: CallOptions): Promise<BlobWriter>
  /** Points a tag at a manifest that is in the repository. True where that changed something; `before` is done first, where it will. @throws RegistrishError `conflict` where the disk folds case and another tag differs only by case. */
  tag(repository: string, tag: string, digest: Digest, options?: PutOptions): Promise<boolean>
}

/** A blob on its way into a tree. */
export interface BlobWriter {
  /** Bytes that are there already: the next chunk belongs here. */
  readonly offset: number
  /** Drops what is there: `offset` is 0 again. */
  restart(): Promise<void>
  /** Appends bytes and hashes them; the buffer is the caller's again when it is done. */
  write(chunk: Uint8Array): Promise<void>
  /** Verifies size and digest, and makes the blob visible. On a mismatch the part is dropped. @throws RegistrishError `digest-mismatch` or `size-mismatch`, side `source`. */
  commit(): Promise<void>
  /** Like `commit`, but keeps the blob beside the repositories, not visible, until `linkBlob` asks for it. */
  stage(): Promise<void>
  /** Ends without making it visible; what was written stays for the next run. Harmless after `commit` and `stage`. */
  close(): Promise<void>
}
