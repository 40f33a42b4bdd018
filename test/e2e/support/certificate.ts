import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run.ts'
import { toolPath } from './tools.ts'

/** A self-made certificate, valid for 127.0.0.1 and localhost, and its key. */
export interface Certificate {
  /** PEM file; also the file to trust (`--ca-file`), since it signed itself. */
  readonly certFile: string
  /** PEM file, PKCS #8. */
  readonly keyFile: string
  /** The key's text, PEM. */
  readonly key: string
  /** The certificate's text, PEM. */
  readonly cert: string
  /** The certificate's bytes, DER in base64: one entry of a JWT's `x5c` header (RFC 7515 §4.1.6). */
  readonly x5c: string
}

/** Makes an EC P-256 (default) or RSA 2048 certificate in `folder`, by openssl, good for two days. */
export async function makeCertificate(
  folder: string,
  { name = 'e2e', keyType = 'ec' }: { readonly name?: string; readonly keyType?: 'ec' | 'rsa' } = {},
): Promise<Certificate> {
  const certFile = join(folder, `${name}.crt`)
  const keyFile = join(folder, `${name}.key`)
  const keyOptions = keyType === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'] : ['rsa:2048']
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  const files = ['-keyout', keyFile, '-out', certFile]
  await run(toolPath('openssl'), [
    'req',
    '-x509',
    '-nodes',
    '-days',
    '2',
    '-newkey',
    ...keyOptions,
    ...subject,
    ...files,
  ])
  const [key, cert] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certFile, 'utf8')])
  return { certFile, keyFile, key, cert, x5c: new X509Certificate(cert).raw.toString('base64') }
}
