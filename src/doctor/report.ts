/** The clients whose verdict is given, each for all that share its way of asking. */
export const CLIENTS = ['docker', 'containerd', 'podman', 'crane', 'oras', 'helm'] as const

/**
 * `docker`: Docker Engine with its classic store (up to 28 by default) · `containerd`: containerd, nerdctl, Kubernetes, BuildKit, Docker 29 ·
 * `podman`: podman, buildah, skopeo, CRI-O · `crane`: crane, cosign, ko, kaniko · `oras`: oras and what is built on oras-go · `helm`: charts.
 */
export type Client = (typeof CLIENTS)[number]

/** What a finding means for a client, from good to bad. */
export type Verdict = 'works' | 'caveat' | 'fails'

/** @internal Every check, in the order they are told. */
export const CHECKS = [
  'connection',
  'tls',
  'plain-http',
  'version',
  'head',
  'tag-type',
  'digest-type',
  'child-type',
  'manifest-bytes',
  'digest-header',
  'length',
  'encoding',
  'blob-bytes',
  'range',
  'missing',
  'redirect',
  'dotted-tag',
  'case',
  'tag-cache',
  'namespace',
  'referrers',
  'colon',
  'tags-list',
  'write',
] as const

export type CheckName = (typeof CHECKS)[number]

/** What one check found. */
export interface CheckResult {
  readonly check: CheckName
  /** `skipped`: there was nothing to try it on, or an earlier check failed. */
  readonly outcome: 'passed' | 'caveat' | 'failed' | 'skipped'
  /** One sentence: what was asked and what came, or why it was skipped. */
  readonly text: string
  /** The request that shows it best: `HEAD https://host/v2/alpine/manifests/latest`. */
  readonly request?: string
  /** The header or status as seen and as it should be, where the check is about one: `Content-Type: text/plain`. */
  readonly seen?: string
  readonly needed?: string
  /** What it means for the clients; those not named are not concerned. Why, as a phrase. */
  readonly clients: Readonly<Partial<Record<Client, { readonly verdict: 'caveat' | 'fails'; readonly why: string }>>>
  /** What to change: on the host that was recognised, else in general words. Lines of configuration or a sentence. */
  readonly fix?: string
}

/** What a client will do. */
export interface ClientVerdict {
  readonly client: Client
  readonly verdict: Verdict
  /** The checks that are why, worst first. */
  readonly because: readonly CheckName[]
}

/** What an examination came to. */
export interface DoctorReport {
  /** `https://host[:port]`, as it was asked in the end. */
  readonly url: string
  /** `alpine:latest`: what was pulled to try; undefined where nothing could be found to pull. */
  readonly image?: string
  /** Name of the host by the marks in its answers: `nginx`, `netlify`, `s3`…; undefined where it is not known. */
  readonly host?: string
  readonly checks: readonly CheckResult[]
  readonly clients: readonly ClientVerdict[]
}
