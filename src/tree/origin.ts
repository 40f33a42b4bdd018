import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import { writeWhole } from './files.ts'
import { originPath } from './layout.ts'

/** What is remembered of a repository beside its files. Losing it loses the warning about mixing two upstreams, and what was fetched by digest alone is no longer kept by prune. */
export interface Origin {
  /** Where it was fetched from: `ghcr.io/o/app`. */
  readonly upstream?: string
  /** Digests that were fetched without a tag. */
  readonly pins: readonly Digest[]
}

/** Reads what is remembered; an unreadable record counts as none. */
export async function readOrigin(root: string, repository: string): Promise<Origin> {
  try {
    const value: unknown = JSON.parse(readFileSync(join(root, originPath(repository)), 'utf8'))
    if (!isRecord(value)) return { pins: [] }
    const pins = Array.isArray(value['pins']) ? value['pins'].map(asDigest).filter(digest => digest !== undefined) : []
    return { ...(typeof value['upstream'] === 'string' ? { upstream: value['upstream'] } : {}), pins }
  } catch (error) {
    if (error instanceof SyntaxError || ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return { pins: [] }
    throw fileError(error, 'read', originPath(repository))
  }
}

/** Replaces what is remembered. */
export async function writeOrigin(root: string, repository: string, origin: Origin): Promise<void> {
  const pins = [...new Set(origin.pins)].sort()
  await writeWhole(root, originPath(repository), new TextEncoder().encode(`${JSON.stringify({ ...origin, pins })}\n`))
}
