import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'

/** A certificate for 127.0.0.1 that signed itself, by openssl. */
export async function makeCertificate(): Promise<{
  /** PEM file to trust. */
  readonly caFile: string
  readonly tls: { readonly key: string; readonly cert: string }
}> {
  const folder = await makeTemporaryFolder()
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem']
  const subject = ['-subj', '/CN=faults', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, '-out', 'cert.pem', ...subject], {
    cwd: folder,
    stdio: 'pipe',
  })
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return { caFile: join(folder, 'cert.pem'), tls: { key: read('key.pem'), cert: read('cert.pem') } }
}
