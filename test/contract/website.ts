import { expect, test } from 'vitest'
import type { RawAnswer } from './raw-request.ts'
import type { ServingTree } from './serving-fixture.ts'

/** Asks the website of a store, as anyone, for a path such as `/v2/`. */
type Ask = (path: string) => Promise<RawAnswer>

const NOWHERE = `sha256:${'0'.repeat(64)}`

/** A tree that was deployed to a store, and the website of that store. */
interface Shown {
  readonly tree: ServingTree
  readonly ask: Ask
}

/**
 * What the website of a store shows whatever else the store can say: the documents, and an answer where nothing is, of type `errorType`, since some servers
 * add a charset.
 */
export function describeWebsite(shown: () => Shown, errorType = 'application/json'): void {
  test('documents name what is there, and the version check is answered', async () => {
    const { tree, ask } = shown()
    const json = async (path: string): Promise<unknown> => JSON.parse((await ask(path)).body.toString())
    expect(await json('/v2/index.json')).toEqual({})
    expect((await ask('/v2/')).status).toBe(200)
    expect(await json('/v2/_catalog')).toEqual({ repositories: [...tree.tags.keys()].sort() })
    for (const [name, tags] of tree.tags) expect(await json(`/v2/${name}/tags/list`)).toEqual({ name, tags })
    for (const { repository, subject, fallbackTag, descriptors } of tree.referrers) {
      for (const path of [`referrers/${subject}`, `manifests/${fallbackTag}`]) {
        const answer = await ask(`/v2/${repository}/${path}`)
        expect(answer.header('content-type')).toBe('application/vnd.oci.image.index.v1+json')
        expect(JSON.parse(answer.body.toString()).manifests).toEqual(expect.arrayContaining([...descriptors]))
      }
    }
  })

  test('what is not there is 404 with an error of the distribution API', async () => {
    const { tree, ask } = shown()
    const absent = ['/v2/app/manifests/nothing', `/v2/app/blobs/${NOWHERE}`, '/v2/nobody/tags/list']
    for (const path of [...absent, ...tree.hidden]) {
      const { status, body, header } = await ask(path)
      expect(status, path).toBe(404)
      expect(header('content-type'), path).toBe(errorType)
      expect(JSON.parse(body.toString()), path).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
    }
  })
}
