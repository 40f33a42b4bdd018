import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { fileError, RegistrishError } from '../errors.ts'
import type { Environment } from './proxy.ts'

/**
 * A TLS context that trusts the authorities of a PEM file as well as those Node trusts anyway (its own and `NODE_EXTRA_CA_CERTS`). Made once, since it
 * parses every certificate.
 * @throws RegistrishError `usage` or `io` where the file cannot be read or holds no certificate.
 */
export function trustAlso(caFile: string, env: Environment): SecureContext {
  const extra = env['NODE_EXTRA_CA_CERTS'] ?? ''
  const more = extra === '' ? [] : readCertificates(extra, 'NODE_EXTRA_CA_CERTS')
  return createSecureContext({ ca: [...rootCertificates, ...more, ...readCertificates(caFile, '--ca-file')] })
}

function readCertificates(file: string, from: string): readonly string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw fileError(error, `read the certificates that ${from} names,`, file, 'source')
  }
  const blocks = text.match(BLOCK) ?? []
  if (blocks.length === 0) throw broken(file, from)
  for (const block of blocks) {
    try {
      new X509Certificate(block)
    } catch (cause) {
      // A secure context would leave it out without a word.
      throw broken(file, from, cause)
    }
  }
  return blocks
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

function broken(file: string, from: string, cause?: unknown): RegistrishError {
  const what = cause === undefined ? 'holds no certificate' : 'holds a certificate that cannot be read'
  return new RegistrishError('usage', `${file}, which ${from} names, ${what}`, {
    cause,
    hint: 'the file has to hold certificates in PEM form: -----BEGIN CERTIFICATE----- …',
  })
}
