import type { Answer } from './answer.ts'
import type { Observations } from './observations.ts'

/** A host that can be told by its answers. */
interface Mark {
  readonly host: string
  readonly title: string
  /** Header names in lower case, with what their values match. */
  readonly headers: Readonly<Record<string, RegExp>>
}

/** @internal The first whose headers are all there is it: what stands before a host comes before it. */
export const MARKS: readonly Mark[] = [
  { host: 'netlify', title: 'Netlify', headers: { server: /^netlify/i } },
  { host: 'vercel', title: 'Vercel', headers: { server: /^vercel/i } },
  { host: 'github-pages', title: 'GitHub Pages', headers: { server: /^github\.com/i } },
  { host: 'cloudfront', title: 'CloudFront', headers: { 'x-amz-cf-id': /./ } },
  {
    host: 'firebase',
    title: 'Firebase Hosting',
    headers: { 'x-served-by': /^cache-/, 'strict-transport-security': /max-age=31556926/ },
  },
  { host: 'bunny', title: 'Bunny', headers: { server: /^BunnyCDN/i } },
  { host: 'cloudflare', title: 'Cloudflare', headers: { server: /^cloudflare/i } },
  { host: 's3', title: 'S3', headers: { server: /^(?:AmazonS3|MinIO|VERSITYGW)/i } },
  { host: 's3', title: 'S3', headers: { 'x-amz-request-id': /./ } },
  { host: 'azure', title: 'Azure', headers: { server: /^Windows-Azure|^Azurite/i } },
  { host: 'gcs', title: 'Google Cloud Storage', headers: { 'x-goog-generation': /./ } },
  { host: 'gcs', title: 'Google Cloud Storage', headers: { server: /^UploadServer/i } },
  { host: 'nginx', title: 'nginx', headers: { server: /^nginx|^openresty/i } },
  { host: 'apache', title: 'Apache', headers: { server: /^Apache/i } },
  { host: 'caddy', title: 'Caddy', headers: { server: /^Caddy/i } },
  { host: 'lighttpd', title: 'lighttpd', headers: { server: /^lighttpd/i } },
]

/** Which host answers, as far as its headers tell. */
export function recogniseHost({ version, image }: Observations): string | undefined {
  const answers = [version, image?.tag.get, image?.missing.tag].filter(answer => answer !== undefined)
  return MARKS.find(mark => answers.some(answer => bears(answer, mark)))?.host
}

function bears({ headers }: Answer, mark: Mark): boolean {
  return Object.entries(mark.headers).every(([name, pattern]) => pattern.test(headers[name] ?? ''))
}
