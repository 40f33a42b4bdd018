/** Which store, and how it is spoken to. */
export interface S3Place {
  readonly bucket: string
  /** URL of a compatible store. Default: what the environment or profile names, else AWS. */
  readonly endpoint?: string
  /** Default: what the environment or profile names, else us-east-1, from where AWS shows the way. */
  readonly region?: string
  /** The bucket in the path, not the host. Default: only where the host is no name that another could be put before. */
  readonly pathStyle?: boolean
}

/** The bucket's address. */
export interface Base {
  /** Of the bucket itself, to which keys are added. */
  readonly url: URL
  readonly region: string
  /** Whether the bucket is in the host, not the path. */
  readonly isHost: boolean
}

/** Whether the bucket stands in the path: as was asked for, or since no resolver that all machines have knows `bucket.localhost`. */
export function isPathStyle({ endpoint, pathStyle }: S3Place): boolean {
  const isLocal = endpoint !== undefined && URL.canParse(endpoint) && new URL(endpoint).hostname === 'localhost'
  return pathStyle ?? isLocal
}
