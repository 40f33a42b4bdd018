import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import { isRecord } from '../oci/descriptor.ts'
import { quote } from '../oci/digest.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { isTag, parseRepositoryName } from '../oci/name.ts'
import type { CallOptions } from '../oci/source.ts'
import { readApiErrors, statusError } from './answer.ts'
import type { Connection } from './connection.ts'
import { readPages } from './pages.ts'

/** Largest page that is read, in bytes: 200,000 tags of the greatest length on one page. */
const LARGEST_PAGE = 32 * 1024 * 1024

/** Most tags that are read: they take some hundred MB of memory. */
const MOST_TAGS = 2_000_000

/** Tags asked for in one page; registries give fewer where that is too much for them. */
const PAGE_SIZE = 1000

/** Tags that a hint names. */
const SUGGESTED = 8

/** All tags of a repository in the registry's order, each once (distribution spec, "Listing Tags"). @throws RegistrishError `not-found`, `bad-answer` for what is no tag, and what the connection throws. */
export async function listTags(
  connection: Connection,
  repository: string,
  { signal }: CallOptions,
): Promise<readonly string[]> {
  const what = `the tags of ${connection.registry}/${repository}`
  const tags = await readPages(connection, {
    repository: parseRepositoryName(repository),
    path: pathOf(repository),
    what,
    accept: JSON_TYPE,
    most: MOST_TAGS,
    signal,
    async read(response) {
      if (response.status !== 200) throw await failure(connection, response, repository)
      return readTags(response, what)
    },
  })
  return [...new Set(tags)]
}

/** The way out where a tag is not there: those that are there and look most like it, if the registry says. undefined where it says that the repository is not there. */
export async function suggestTags(
  connection: Connection,
  repository: string,
  wanted: string,
): Promise<string | undefined> {
  const hint = 'check the spelling of the name and the tag'
  try {
    const tags = await connection.exchange({
      what: `the tags of ${connection.registry}/${repository}`,
      repository,
      path: pathOf(repository),
      headers: { accept: JSON_TYPE },
      async read(response) {
        if (response.status === 200) return readTags(response, '')
        const { codes } = await readApiErrors(response)
        return response.status === 404 && codes.includes('NAME_UNKNOWN') ? undefined : []
      },
    })
    if (tags === undefined) return undefined
    const near = tags.toSorted((a, b) => likeness(b, wanted) - likeness(a, wanted)).slice(0, SUGGESTED)
    if (near.length === 0) return hint
    return `it has ${near.join(', ')}${tags.length > near.length ? ' and others' : ''}`
  } catch {
    // This was asked for the hint's sake only: the error that is being made says what matters.
    return hint
  }
}

function pathOf(repository: string): string {
  return `/v2/${repository}/tags/list?n=${PAGE_SIZE}`
}

async function readTags(response: HttpResponse, what: string): Promise<readonly string[]> {
  const body = parseJson(await readPage(response, what))
  const tags = isRecord(body) ? (body['tags'] ?? []) : undefined
  if (!Array.isArray(tags)) throw strange(response, `an answer to the request for ${what} that is no list of tags`)
  return tags.map((tag: unknown) => {
    if (typeof tag === 'string' && isTag(tag)) return tag
    throw strange(
      response,
      `${typeof tag === 'string' ? quote(tag) : `a ${typeof tag}`} among ${what}, which is no tag`,
    )
  })
}

async function readPage(response: HttpResponse, what: string): Promise<string> {
  try {
    return await response.text(LARGEST_PAGE)
  } catch (error) {
    if (!isRegistrishError(error, 'bad-answer')) throw error
    throw strange(response, `more than ${LARGEST_PAGE} bytes to the request for ${what}`)
  }
}

async function failure(connection: Connection, response: HttpResponse, repository: string): Promise<RegistrishError> {
  const name = `the list of tags of ${connection.registry}/${repository}`
  const error = await statusError(connection, response, { what: name, repository })
  if (error.code !== 'not-found') return error
  return new RegistrishError(
    'not-found',
    `${connection.registry} has no repository called ${repository}, or lists no tags`,
    {
      side: 'source',
      hint: 'check the spelling of the name, or name the tags that are wanted',
    },
  )
}

/** Length of the common beginning. */
function likeness(tag: string, wanted: string): number {
  let length = 0
  while (length < tag.length && length < wanted.length && tag[length] === wanted[length]) length += 1
  return length
}

/** undefined where it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function strange({ url }: HttpResponse, what: string): RegistrishError {
  return new RegistrishError('bad-answer', `${url.host} sends ${what}`, {
    side: 'source',
    hint: 'is it a registry, or does a login page or proxy stand in between? Tags can be named instead of listed',
  })
}
