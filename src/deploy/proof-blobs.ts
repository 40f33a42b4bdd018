import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, createDigester } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { lengthOf } from '../registry/answer.ts'
import { openBlob } from '../registry/blobs.ts'
import { blobPath } from '../tree/layout.ts'
import { changed, type Finding, judgeStatus, type WaysOut } from './proof-answers.ts'
import type { ProofHost } from './proof-host.ts'

/** A blob of an image that is to be proved. */
export interface ProvedBlob {
  readonly repository: string
  readonly descriptor: Descriptor
}

interface BlobOptions extends CallOptions, WaysOut {
  readonly onProgress: OnProgress
}

/** Asks for a blob's size; gives what is wrong. */
export async function seeBlob(
  { connection }: ProofHost,
  blob: ProvedBlob,
  options: BlobOptions,
): Promise<Finding | undefined> {
  const { repository, descriptor } = blob
  return connection.exchange({
    what: `blob ${descriptor.digest}`,
    repository,
    path: `/${blobPath(repository, descriptor.digest)}`,
    method: 'HEAD',
    signal: options.signal,
    async read(response) {
      if (response.status !== 200) return judgeStatus(response, options)
      await response.discard()
      const length = lengthOf(response)
      return length === undefined || length === descriptor.size
        ? undefined
        : changed(`${length} bytes instead of ${descriptor.size}`, descriptor.digest)
    },
  })
}

/** Reads a blob to its end and hashes it, in as many pieces as the connection breaks it into; gives what is wrong. */
export async function readBlob(host: ProofHost, blob: ProvedBlob, options: BlobOptions): Promise<Finding | undefined> {
  const { repository, descriptor } = blob
  const { digest, size } = descriptor
  const { onProgress } = options
  onProgress({ type: 'blob-start', repository, digest, size, offset: 0 })
  try {
    const actual = await readAll(host, blob, options)
    if (actual !== digest) throw new RegistrishError('digest-mismatch', `bytes of ${actual}`)
    onProgress({ type: 'blob-done', repository, digest, size })
    return undefined
  } catch (error) {
    onProgress({ type: 'blob-failed', digest })
    if (isRegistrishError(error, 'digest-mismatch', 'size-mismatch', 'not-found', 'bad-answer'))
      return changed(error.message, digest)
    throw error
  }
}

/** The digest of all that is sent. */
async function readAll(
  { connection, retry }: ProofHost,
  { repository, descriptor }: ProvedBlob,
  { signal, onProgress }: BlobOptions,
): Promise<string> {
  const { digest, size } = descriptor
  let digester = createDigester(algorithmOf(digest))
  let at = 0
  const readRest = async (): Promise<void> => {
    const content = await openBlob(connection, { repository, descriptor, offset: at, reuse: true, signal })
    if (content.offset !== at) {
      onProgress({ type: 'blob-bytes', digest, bytes: -at })
      digester = createDigester(algorithmOf(digest))
      at = 0
    }
    for await (const chunk of content.body) {
      at += chunk.length
      if (at > size) throw new RegistrishError('size-mismatch', `more than the ${size} bytes that it should have`)
      digester.update(chunk)
      onProgress({ type: 'blob-bytes', digest, bytes: chunk.length })
    }
  }
  await retry.run({
    what: `blob ${digest}`,
    ...(signal === undefined ? {} : { signal }),
    attempt: async () => ({ value: await readRest() }),
  })
  return digester.digest()
}
