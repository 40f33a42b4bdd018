import { createHash, type Hash } from 'node:crypto'
import { RegistrishError } from '../errors.ts'

/** A checked digest `algorithm:hex` (OCI image spec, "Digests"), obtainable only from {@link parseDigest}, {@link asDigest} or by hashing. */
export type Digest = `${Algorithm}:${string}` & { readonly __digest: unique symbol }

/** The registered algorithms (OCI image spec, "Registered Algorithms"). */
export type Algorithm = 'sha256' | 'sha512'

/** The pattern of a digest in a path, as a regular expression source without anchors: both algorithms, lower-case hex of the exact length. */
export const DIGEST_PATTERN = '(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})'

/**
 * Parses a digest.
 * @throws RegistrishError `name-invalid` for anything but sha256 or sha512 with lower-case hex of the right length.
 */
export function parseDigest(text: string): Digest {
  const digest = asDigest(text)
  if (digest === undefined) {
    throw new RegistrishError('name-invalid', `not a digest: ${quote(text)}`, {
      hint: 'a digest is sha256: and 64 lower-case hex digits, or sha512: and 128',
    })
  }
  return digest
}

/** The digest that `text` spells, or undefined. */
export function asDigest(text: unknown): Digest | undefined {
  return typeof text === 'string' && WHOLE.test(text) ? (text as Digest) : undefined
}

/** The algorithm of a digest. */
export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

/** The hex part of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** Hashes bytes that are in memory. */
export function digestOf(bytes: Uint8Array | string, algorithm: Algorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
}

/** Hashes a stream: feed it with `update`, then read `digest()` once. */
export interface Digester {
  update(chunk: Uint8Array): void
  digest(): Digest
}

/** Starts a {@link Digester}. */
export function createDigester(algorithm: Algorithm): Digester {
  const hash: Hash = createHash(algorithm)
  return {
    update(chunk: Uint8Array): void {
      hash.update(chunk)
    },
    digest(): Digest {
      return `${algorithm}:${hash.digest('hex')}` as Digest
    },
  }
}

const WHOLE = new RegExp(`^${DIGEST_PATTERN}$`)

/** Untrusted text for a message: quoted, control and invisible characters escaped, cut at 120 characters. */
export function quote(text: string): string {
  return JSON.stringify(cut(text)).replace(UNSEEN, char => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
}

/** Untrusted text within a message: on one line, control and invisible characters replaced, cut at 120 characters. */
export function plain(text: string): string {
  return cut(text).replace(UNSEEN, '\ufffd')
}

/** Control and format characters (bidi, zero width), line and paragraph separators, halves of characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

function cut(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
