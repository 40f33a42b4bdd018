import { isRegistrishError, RegistrishError, systemCode } from '../../errors.ts'
import type { HttpResponse } from '../../http/client.ts'
import { isRecord } from '../../oci/descriptor.ts'
import { quote } from '../../oci/digest.ts'
import { JSON_TYPE } from '../../oci/media-types.ts'
import { isRepositoryName } from '../../oci/name.ts'
import { statusError } from '../../registry/answer.ts'
import type { Connection } from '../../registry/connection.ts'
import { readPages } from '../../registry/pages.ts'
import { listTags } from '../../registry/tags.ts'
import { catalogPath, tagsListPath } from '../../tree/layout.ts'
import { forEach } from '../for-each.ts'
import { openProofHost, type ProofHostOptions } from '../proof-host.ts'

/** What a site serves: repositories and their tags. */
export type LiveTags = ReadonlyMap<string, ReadonlySet<string>>

/** Largest page of a catalogue that is read, in bytes, and most names. */
const LARGEST_PAGE = 32 * 1024 * 1024
const MOST_NAMES = 1_000_000

/** How a live site is looked at. */
export interface LiveOptions extends ProofHostOptions {
  readonly jobs: number
  /** Whether the host follows from the name of the site: a new one has no address yet. */
  readonly isDerived: boolean
  /** Told what of the site could not be looked at. */
  readonly onNote: (text: string) => void
}

/**
 * The repositories and tags that a public host serves now: by its catalogue, and the list of tags of each. Where it says clearly that no registry is there, how it does is
 * returned. @throws RegistrishError where that cannot be known: the host is out of reach, wants a login, or breaks off in the middle.
 */
export async function readLive(options: LiveOptions): Promise<LiveTags | RegistrishError> {
  const host = await openProofHost(options)
  try {
    const names = await readCatalogue(host.connection, options)
    if (names instanceof RegistrishError) return names
    const live = new Map<string, ReadonlySet<string>>(names.map(name => [name, new Set()]))
    await forEach(names, options.jobs, async name => {
      live.set(name, new Set(await tagsOf(host.connection, name, options)))
    })
    return live
  } catch (error) {
    if (options.isDerived && isUnknownHost(error, host.origin)) return error
    throw isRegistrishError(error, 'unauthorized') ? wantsLogin(error, options.host.host) : error
  } finally {
    await host.close()
  }
}

function wantsLogin(cause: RegistrishError, host: string): RegistrishError {
  return new RegistrishError('unauthorized', `${host} shows nothing without a login`, {
    hint: `log in (docker login ${host}), or name a file with --authfile`,
    side: 'target',
    cause,
  })
}

/** Whether the name of the host itself, not that of a proxy, leads nowhere. */
function isUnknownHost(error: unknown, origin: string): error is RegistrishError {
  if (!isRegistrishError(error, 'unreachable') || systemCode(error.cause) !== 'ENOTFOUND') return false
  return isRecord(error.cause) && error.cause['hostname'] === new URL(origin).hostname
}

/** The names, or how the first answer says that there are none to have. */
async function readCatalogue(
  connection: Connection,
  { signal, onNote }: LiveOptions,
): Promise<readonly string[] | RegistrishError> {
  const what = `the catalogue of ${connection.registry}`
  const odd: unknown[] = []
  let isFirst = true
  let none: RegistrishError | undefined
  const names = await readPages(connection, {
    repository: '',
    path: `/${catalogPath}`,
    what,
    accept: JSON_TYPE,
    most: MOST_NAMES,
    signal,
    async read(response) {
      const page = await readPage(connection, response, what)
      if (page instanceof RegistrishError) {
        // Another host, such as one to log in at, knows nothing of this one; and a list that was begun is there.
        if (!isFirst || response.url.origin !== (await connection.origin()).origin) throw page
        none = page
        return undefined
      }
      isFirst = false
      odd.push(...page.filter(name => !isName(name)))
      return page.filter(isName)
    },
  })
  if (odd.length > 0) onNote(`${what} lists names that no client can pull, which are passed over: ${namesOf(odd)}`)
  return none ?? [...new Set(names)]
}

/** A repository that is in the catalogue and has no list of tags has none to lose. */
async function tagsOf(
  connection: Connection,
  name: string,
  { signal }: Pick<LiveOptions, 'signal'>,
): Promise<readonly string[]> {
  try {
    return await listTags(connection, name, signal === undefined ? {} : { signal })
  } catch (error) {
    // One that breaks off after its first page is there.
    if (isRegistrishError(error, 'not-found') && !(await hasTagsList(connection, name, signal))) return []
    throw error
  }
}

async function hasTagsList(connection: Connection, name: string, signal: AbortSignal | undefined): Promise<boolean> {
  return connection.exchange({
    what: `the tags of ${connection.registry}/${name}`,
    repository: name,
    path: `/${tagsListPath(name)}`,
    headers: { accept: JSON_TYPE },
    signal,
    async read(response) {
      await response.discard()
      return response.status !== 404
    },
  })
}

/** What a page lists; an error where it says that there is no catalogue. */
async function readPage(
  connection: Connection,
  response: HttpResponse,
  what: string,
): Promise<readonly unknown[] | RegistrishError> {
  if (response.status !== 200) {
    const error = await statusError(connection, response, { what, repository: '' })
    if (response.status === 404) return error
    throw error
  }
  const body = parseJson(await response.text(LARGEST_PAGE))
  const list: unknown = isRecord(body) ? body['repositories'] : undefined
  if (Array.isArray(list)) return list
  return new RegistrishError('bad-answer', `${response.url.host} sends no catalogue`, {
    side: 'target',
    hint: 'is a registry there?',
  })
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && isRepositoryName(name)
}

/** The first few, quoted. */
function namesOf(odd: readonly unknown[]): string {
  const names = odd.slice(0, NAMED).map(name => quote(typeof name === 'string' ? name : JSON.stringify(name)))
  return `${names.join(', ')}${odd.length > NAMED ? ` and ${odd.length - NAMED} more` : ''}`
}

const NAMED = 5

/** undefined where it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
