import { describe, expect, test } from 'vitest'
import { rememberOrigin } from '../../src/fetch/upstream.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { readOrigin } from '../../src/tree/origin.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

describe('what is remembered of a repository', () => {
  test('holds every digest, though several fetches end at once', async () => {
    const root = await makeTemporaryFolder()
    const pins = Array.from({ length: 8 }, (_, position) => digestOf(`image ${position}`))
    await Promise.all(pins.map(pin => rememberOrigin(root, 'app', { upstream: 'host/app', pins: [pin] })))
    expect((await readOrigin(root, 'app')).pins).toEqual([...pins].sort())
  })

  test.each(['app/origin.json', 'app/origins'])('does not stand in the way of one called %s', async name => {
    const root = await makeTemporaryFolder()
    for (const repository of ['app', name])
      await rememberOrigin(root, repository, { upstream: `host/${repository}`, pins: [] })
    expect((await readOrigin(root, 'app')).upstream).toBe('host/app')
    expect((await readOrigin(root, name)).upstream).toBe(`host/${name}`)
  })
})
