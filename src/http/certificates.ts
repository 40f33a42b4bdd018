import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import type { Environment } from './proxy.ts'

/**
 * The certificates (PEM) of Node's own authorities, of `NODE_EXTRA_CA_CERTS`, and of a file; for a context that is told any trusts no others.
 * @throws RegistrishError `usage` or `io` where a file cannot be read or holds no certificate.
 */
export function listAuthorities(caFile: string, env: Environment): string[] {
  const extra = env['NODE_EXTRA_CA_CERTS'] ?? ''
  const more = extra === '' ? [] : readCertificates(extra, 'NODE_EXTRA_CA_CERTS')
  return [...rootCertificates, ...more, ...readCertificates(caFile, '--ca-file')]
}

function readCertificates(file: string, from: string): readonly string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (systemCode(error) !== 'ENOENT')
      throw fileError(error, `read the certificates that ${from} names,`, file, 'source')
    throw new RegistrishError('usage', `${file}, which ${from} names, is not there`, {
      cause: error,
      hint: 'check the path',
    })
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
