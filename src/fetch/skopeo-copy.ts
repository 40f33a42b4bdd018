import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RegistrishError } from '../errors.ts'
import { asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { adoptDirectory } from './skopeo-directory.ts'
import { type SkopeoName, skopeoArgument } from './skopeo-name.ts'
import { runSkopeo, type SkopeoResult, type SkopeoRunOptions, sourceFlags } from './skopeo-run.ts'

/** What is copied, and into which layout. */
export interface SkopeoCopy {
  readonly name: SkopeoName
  /** The tag or digest. */
  readonly reference: string
  /** Folder of the layout; made where it is missing. */
  readonly layout: string
  /** The image's tag in the layout. */
  readonly tag: string
}

/** What came of a copy: with every digest `kept`, or without; then perhaps a `single` platform of an index. */
export type SkopeoOutcome = { readonly kept: true } | { readonly kept: false; readonly single: boolean }

/**
 * Copies an image into an OCI layout by skopeo, with everything an index names and without changing a byte. An index that skopeo does not put into a layout
 * unchanged (a Docker manifest list) is taken by way of its `dir:` format. An image of a containers-storage, whose layers are stored unpacked, is compressed anew.
 * @throws RegistrishError `unsupported` where the digest cannot be kept and that is required or avoidable; what skopeo's failure means.
 */
export async function copyBySkopeo(
  copy: SkopeoCopy,
  options: SkopeoRunOptions & { readonly requireDigest?: boolean },
): Promise<SkopeoOutcome> {
  const whole = ['--all', '--preserve-digests']
  let result = await copyToLayout(copy, whole, options)
  if (!result.ok && result.reason === 'list-type') result = await copyByDirectory(copy, whole, options)
  if (result.ok) return { kept: true }
  const stored = copy.name.transport === 'containers-storage'
  if (!stored || (result.reason !== 'digest' && result.reason !== 'list')) throw result.error
  if (options.requireDigest === true || asDigest(copy.reference) !== undefined) throw changed(copy, result.error)
  return copyStored(copy, options)
}

/** skopeo's `dir:` format leaves the config as it is, and so the image's id; into a layout a Docker image would be converted. */
async function copyStored(copy: SkopeoCopy, options: SkopeoRunOptions): Promise<SkopeoOutcome> {
  const whole = await copyByDirectory(copy, ['--all', '--dest-compress'], options)
  if (whole.ok) return { kept: false, single: false }
  if (whole.reason !== 'list') throw whole.error
  // A list in a storage may name images that the storage does not hold: then the one for this machine.
  const single = await copyByDirectory(copy, ['--dest-compress'], options)
  if (single.ok) return { kept: false, single: true }
  throw single.error
}

/** The digest that an image has where it is, or undefined where skopeo cannot tell. */
export async function inspectDigest(image: string, options: SkopeoRunOptions): Promise<Digest | undefined> {
  const args = ['inspect', '--raw', ...sourceFlags(options, ''), image]
  const result = await runSkopeo(args, `skopeo cannot inspect ${image}`, options)
  return result.ok ? digestOf(result.output) : undefined
}

async function copyToLayout(
  copy: SkopeoCopy,
  flags: readonly string[],
  options: SkopeoRunOptions,
): Promise<SkopeoResult> {
  return runCopy(copy, `oci:${copy.layout}:${copy.tag}`, flags, options)
}

async function copyByDirectory(
  copy: SkopeoCopy,
  flags: readonly string[],
  options: SkopeoRunOptions,
): Promise<SkopeoResult> {
  const folder = join(copy.layout, '..', `${copy.tag}.dir`)
  await mkdir(folder, { recursive: true })
  try {
    const result = await runCopy(copy, `dir:${folder}`, flags, options)
    if (result.ok) await adoptDirectory(folder, copy.layout, copy.tag)
    return result
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runCopy(
  { name, reference }: SkopeoCopy,
  target: string,
  flags: readonly string[],
  options: SkopeoRunOptions,
): Promise<SkopeoResult> {
  const argument = skopeoArgument(name, reference)
  // Signatures that skopeo itself keeps stand in no layout; those of cosign are images of their own.
  const args = ['copy', '--quiet', '--remove-signatures', ...flags, ...sourceFlags(options, 'src-'), argument, target]
  return runSkopeo(args, `skopeo cannot copy ${argument}`, options)
}

function changed({ name, reference }: SkopeoCopy, cause: RegistrishError): RegistrishError {
  const argument = skopeoArgument(name, reference)
  return new RegistrishError('unsupported', `the digest of ${argument} cannot be kept: ${cause.message}`, {
    hint: 'a containers-storage keeps layers unpacked: fetch the image from its registry, or by tag and without --require-digest',
    side: 'source',
    cause,
  })
}
