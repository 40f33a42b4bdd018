import { RegistrishError } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import { deletionsKey, publicPrefix } from '../tree/layout.ts'
import type { AgedKeys, Claim, DeletedKeys, Deletions } from './deletions.ts'
import { createKeyReader } from './store-contents.ts'

/** Bytes of a record that are taken at most: some two million keys. */
export const LARGEST_RECORD: number = 256 * 1024 * 1024

const VERSION = 1

/** The bytes of a record: JSON without white space. */
export function formatDeletions(deletions: Deletions): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, ...deletions }))
}

/**
 * Parses a record; `title` names the store. What is in it leads to deletions, so nothing is taken that we would not have written.
 * @throws RegistrishError `conflict` for anything but a record of this version.
 */
export function parseDeletions(bytes: Uint8Array, title: string): Deletions {
  try {
    return parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch (cause) {
    const isNewer = cause instanceof NewerVersion
    throw new RegistrishError(
      'conflict',
      `${deletionsKey} of ${title} is ${isNewer ? 'of a newer version of registrish' : 'not a list of what is to be deleted'}`,
      {
        side: 'target',
        cause,
        hint: isNewer
          ? 'use the version that all others use who deploy to this place'
          : 'delete that object while no deploy runs: --prune finds anew what nothing refers to, and waits for its grace again',
      },
    )
  }
}

class NewerVersion extends Error {}

/** What a parser throws. */
function broken(what: string): Error {
  return new Error(`${what} is not as it should be`)
}

function parse(value: unknown): Deletions {
  const body = parseMembers(value, 'it', MEMBERS)
  if (typeof body['version'] === 'number' && body['version'] > VERSION) throw new NewerVersion('a newer version')
  if (body['version'] !== VERSION) throw broken('version')
  const check = createKeyChecks()
  return {
    generation: parseTime(body['generation'], 'generation'),
    begun: parseTime(body['begun'], 'begun'),
    forgotten: parseTime(body['forgotten'], 'forgotten'),
    unreferenced: parseList(body['unreferenced'], 'unreferenced').map(group => parseGroup(group, check.isContent)),
    claims: parseList(body['claims'], 'claims').map(claim => parseClaim(claim, check)),
    log: parseList(body['log'], 'log').map(entry => parseLogged(entry, check)),
  }
}

const MEMBERS = ['version', 'generation', 'begun', 'forgotten', 'unreferenced', 'claims', 'log']

type IsKey = (key: string) => boolean

interface KeyChecks {
  readonly isTag: IsKey
  readonly isContent: IsKey
}

/** A tag is deleted only as a plan says, everything else only below v2/. */
function createKeyChecks(): KeyChecks {
  const read = createKeyReader()
  return {
    isTag: key => read(key)?.isTag === true,
    isContent: key => key.startsWith(publicPrefix) && read(key)?.isTag !== true,
  }
}

function parseGroup(value: unknown, isKey: IsKey): AgedKeys {
  const group = parseMembers(value, 'unreferenced', ['since', 'keys'])
  return { since: parseTime(group['since'], 'since'), keys: parseKeys(group['keys'], isKey) }
}

function parseClaim(value: unknown, check: KeyChecks): Claim {
  const claim = parseMembers(value, 'claims', ['id', 'until', 'tags', 'unreferenced'])
  const { id } = claim as { id?: unknown }
  if (typeof id !== 'string') throw broken('id')
  return {
    id,
    until: parseTime(claim['until'], 'until'),
    tags: parseKeys(claim['tags'], check.isTag),
    unreferenced: parseList(claim['unreferenced'], 'unreferenced').map(group => parseGroup(group, check.isContent)),
  }
}

function parseLogged(value: unknown, check: KeyChecks): DeletedKeys {
  const entry = parseMembers(value, 'log', ['generation', 'at', 'keys'])
  return {
    generation: parseTime(entry['generation'], 'generation'),
    at: parseTime(entry['at'], 'at'),
    keys: parseKeys(entry['keys'], key => check.isContent(key) || check.isTag(key)),
  }
}

function parseMembers(value: unknown, what: string, members: readonly string[]): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw broken(what)
  const isNewer = typeof value['version'] === 'number' && value['version'] > VERSION
  if (!isNewer && Object.keys(value).some(name => !members.includes(name))) throw broken(what)
  return value
}

function parseList(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw broken(what)
  return value
}

function parseKeys(value: unknown, isKey: IsKey): readonly string[] {
  const keys = parseList(value, 'keys')
  if (!keys.every((key): key is string => typeof key === 'string' && isKey(key))) throw broken('keys')
  return keys
}

/** A time or a generation. */
function parseTime(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw broken(what)
  return value
}
