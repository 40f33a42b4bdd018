import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { callOf } from './call-of.ts'
import type { WantedObject } from './content.ts'
import { forEach } from './for-each.ts'
import { byOrder, rank } from './plan.ts'
import type { PlannedWrite } from './plan-objects.ts'
import type { Preparation } from './prepare.ts'
import type { Amount, PlannedTag } from './report.ts'
import type { NewObject, ObjectStore } from './store.ts'

/** How a plan is carried out. */
export interface ApplyOptions extends CallOptions {
  readonly jobs: number
  readonly onProgress?: OnProgress | undefined
  /** Between two tries of what others change too. */
  readonly pause: (tried: number) => Promise<unknown>
}

/** What was done so far. */
export interface Applied {
  sent: Amount
  copied: Amount
  readonly tags: PlannedTag[]
  /** Keys whose answers changed and may be held by caches. */
  readonly stale: string[]
}

/** A plan that is being carried out. */
export interface Writing {
  readonly store: ObjectStore
  readonly prepared: Preparation
  readonly options: ApplyOptions
  readonly applied: Applied
}

/** Writes blobs and manifests by digest: one rank after the other, what is of one rank at once. */
export async function sendFiles(writing: Writing, writes: readonly PlannedWrite[]): Promise<void> {
  const ranks = new Map<number, PlannedWrite[]>()
  for (const write of [...writes].sort(byOrder)) {
    const known = ranks.get(rank(write))
    if (known === undefined) ranks.set(rank(write), [write])
    else known.push(write)
  }
  for (const those of ranks.values()) {
    await forEach(those, writing.options.jobs, async ({ object, change, from }) => {
      if (from === undefined || !(await copy(writing, from, object))) {
        if (object.kind === 'blob') await sendBlob(writing, object)
        else await send(writing, object)
      }
      if (change === 'changed') writing.applied.stale.push(object.key)
    })
  }
}

/** Writes an object, whatever is there. */
export async function send({ store, options, applied }: Writing, object: NewObject | WantedObject): Promise<void> {
  await store.put(object, callOf(options.signal))
  applied.sent = addTo(applied.sent, object.size)
  if (!('kind' in object)) return
  const { repository, digest } = object
  options.onProgress?.({ type: 'manifest-done', repository, digest })
}

/** An amount, and one object more. */
export function addTo({ objects, bytes }: Amount, size: number): Amount {
  return { objects: objects + 1, bytes: bytes + size }
}

async function sendBlob({ store, options, applied }: Writing, object: WantedObject): Promise<void> {
  const { repository, digest, size } = object
  const { onProgress, signal } = options
  onProgress?.({ type: 'blob-start', repository, digest, size, offset: 0 })
  try {
    await store.put(object, {
      ...callOf(signal),
      onBytes: bytes => onProgress?.({ type: 'blob-bytes', digest, bytes }),
    })
  } catch (error) {
    onProgress?.({ type: 'blob-failed', digest })
    throw error
  }
  applied.sent = addTo(applied.sent, size)
  onProgress?.({ type: 'blob-done', repository, digest, size })
}

async function copy({ store, options, applied }: Writing, from: string, object: WantedObject): Promise<boolean> {
  if ((await store.copy?.(from, object, callOf(options.signal))) !== true) return false
  applied.copied = addTo(applied.copied, object.size)
  return true
}
