import { RegistrishError } from '../errors.ts'
import { digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST } from '../oci/manifest.ts'
import { callOf, withSignal } from './call-of.ts'
import { tagOf } from './content.ts'
import type { PlannedWrite } from './plan-objects.ts'
import { addTo, type Writing } from './send.ts'
import type { Condition } from './store.ts'
import { TAG_LANDING } from './writing-guard.ts'

/** Times that others may move a tag, or a write take too long, before that is given up. */
const MOST_TRIES = 10

/**
 * Writes a tag where it is what the plan saw. Two deploys that move one tag: the later one sees it, says so and moves it on. `ensure` makes sure that what it
 * needs stays; that holds for a while only, so a write that takes longer is begun anew.
 */
export async function putTag(
  { store, options, applied }: Writing,
  { object, change, condition: planned }: PlannedWrite,
  ensure: () => Promise<void>,
): Promise<void> {
  const { repository, digest, key } = object
  const { signal, onProgress } = options
  const tag = tagOf(key)
  let condition: Condition | undefined = planned
  let slow: unknown
  for (let tried = 0; tried < MOST_TRIES; tried += 1) {
    await ensure()
    const late = AbortSignal.timeout(TAG_LANDING)
    const within = withSignal(signal, late)
    try {
      const when = condition === undefined ? {} : { condition }
      const etag = await store.put(object, { signal: within, ...when })
      if (etag !== undefined) return done()
    } catch (error) {
      if (!late.aborted || signal?.aborted === true) throw error
      slow = error
      continue
    }
    slow = undefined
    await options.pause(tried)
    const found = await store.get(key, { ...callOf(signal), limit: LARGEST_MANIFEST })
    const there = found === undefined ? undefined : digestOf(found.bytes)
    if (there === digest) return done() // by somebody else, or by a write whose answer was lost
    condition = found === undefined ? 'absent' : { etag: found.etag }
    if (there !== undefined)
      onProgress?.({
        type: 'note',
        text: `${repository}:${tag} was moved to ${there} by another deploy meanwhile; moving it on to ${digest}`,
      })
  }
  if (slow !== undefined) throw tooSlow(`${repository}:${tag}`, slow)
  throw new RegistrishError('conflict', `${repository}:${tag} is being moved by others all the time`, {
    hint: 'let only one deploy at a time move a tag, then run the same command again',
    side: 'target',
  })

  function done(): void {
    applied.sent = addTo(applied.sent, object.size)
    applied.tags.push({ repository, tag, change: change === 'new' ? 'new' : 'moved', digest })
    applied.stale.push(key)
    onProgress?.({ type: 'tag-done', repository, tag, digest, changed: true })
  }
}

/** The error of a store that takes longer for a name than what it needs is sure to stay. */
export function tooSlow(what: string, cause: unknown): RegistrishError {
  return new RegistrishError('timeout', `${what} could not be written within ${TAG_LANDING / 1000} s`, {
    hint: 'the store is too slow, or wants fewer requests: run the same command again later, with fewer --jobs',
    side: 'target',
    cause,
  })
}
