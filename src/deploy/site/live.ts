import { isRegistrishError, RegistrishError } from '../../errors.ts'
import { isRecord } from '../../oci/descriptor.ts'
import { JSON_TYPE } from '../../oci/media-types.ts'
import { isRepositoryName } from '../../oci/name.ts'
import { statusError } from '../../registry/answer.ts'
import type { Connection } from '../../registry/connection.ts'
import { readPages } from '../../registry/pages.ts'
import { listTags } from '../../registry/tags.ts'
import { catalogPath } from '../../tree/layout.ts'
import { forEach } from '../for-each.ts'
import { openProofHost, type ProofHostOptions } from '../proof-host.ts'

/** What a site serves: repositories and their tags. */
export type LiveTags = ReadonlyMap<string, ReadonlySet<string>>

/** Largest page of a catalogue that is read, in bytes, and most names. */
const LARGEST_PAGE = 32 * 1024 * 1024
const MOST_NAMES = 1_000_000

/**
 * The repositories and tags that a public host serves now: by its catalogue, and the list of tags of each. Where there is no catalogue, or it cannot be asked for, the
 * reason is returned: then nobody can say what is there. @throws RegistrishError where tags of a repository in it cannot be read, and `aborted`.
 */
export async function readLive(
  options: ProofHostOptions & { readonly jobs: number },
): Promise<LiveTags | RegistrishError> {
  const host = await openProofHost(options)
  try {
    const names = await readCatalogue(host.connection, options).catch(reasonOf)
    if (names instanceof RegistrishError) return names
    const live = new Map<string, ReadonlySet<string>>(names.map(name => [name, new Set()]))
    await forEach(names, options.jobs, async name => {
      live.set(name, new Set(await tagsOf(host.connection, name, options)))
    })
    return live
  } finally {
    await host.close()
  }
}

const NO_CATALOGUE = ['not-found', 'unreachable', 'timeout', 'bad-answer', 'unauthorized'] as const

function reasonOf(error: unknown): RegistrishError {
  if (isRegistrishError(error, ...NO_CATALOGUE)) return error
  throw error
}

async function readCatalogue(
  connection: Connection,
  { signal }: Pick<ProofHostOptions, 'signal'>,
): Promise<readonly string[]> {
  const what = `the catalogue of ${connection.registry}`
  const names = await readPages(connection, {
    repository: '',
    path: `/${catalogPath}`,
    what,
    accept: JSON_TYPE,
    most: MOST_NAMES,
    signal,
    async read(response) {
      if (response.status !== 200) throw await statusError(connection, response, { what, repository: '' })
      const body = parseJson(await response.text(LARGEST_PAGE))
      const list: unknown = isRecord(body) ? body['repositories'] : undefined
      if (Array.isArray(list) && list.every(name => typeof name === 'string' && isRepositoryName(name)))
        return list.map(String)
      throw new RegistrishError('bad-answer', `${connection.registry} sends no catalogue`, {
        side: 'target',
        hint: 'is a registry there?',
      })
    },
  })
  return [...new Set(names)]
}

/** A repository that is in the catalogue and lists no tags has none to lose. */
async function tagsOf(
  connection: Connection,
  name: string,
  { signal }: Pick<ProofHostOptions, 'signal'>,
): Promise<readonly string[]> {
  try {
    return await listTags(connection, name, signal === undefined ? {} : { signal })
  } catch (error) {
    if (isRegistrishError(error, 'not-found')) return []
    throw error
  }
}

/** undefined where it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
