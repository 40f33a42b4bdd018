import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type OpenedLayout, openLayout } from '../../src/layout/open-layout.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { packLayout, writeLayout } from '../support/write-images.ts'
import { failure } from './layout-support.ts'

describe('a layout', () => {
  test.each(['oci:', 'ocidir://'])('after %s is a folder and perhaps a reference', async prefix => {
    const path = join(await makeTemporaryFolder(), 'layout')
    const image = await makeImage()
    await writeLayout(path, { '1.0': image })
    const { digest } = image.root
    for (const [text, reference] of [
      [path, undefined],
      [`${path}:`, undefined],
      [`${path}:1.0`, '1.0'],
      [`${path}@${digest}`, digest],
      [`${path}:1.0@${digest}`, digest],
      [`${path}@0`, '@0'],
      [`${path}:@0`, '@0'],
    ] as const) {
      const opened = await open(`${prefix}${text}`)
      expect([opened.path, opened.reference], text).toEqual([path, reference])
      expect((await opened.source.resolve('any', reference ?? '1.0')).digest).toBe(digest)
    }
  })

  test('whose path holds colons is found; the longest path that exists counts', async () => {
    const folder = await makeTemporaryFolder()
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    await writeLayout(join(folder, 'a'), { b: one })
    await writeLayout(join(folder, 'a:b'), { c: two })
    await writeLayout(join(folder, 'x@0'), { d: one })
    const found = async (text: string): Promise<readonly unknown[]> => {
      const { path, reference } = await open(`oci:${join(folder, text)}`)
      return [path.slice(folder.length + 1), reference]
    }
    expect(await found('a:b')).toEqual(['a:b', undefined])
    expect(await found('a:b:c')).toEqual(['a:b', 'c'])
    expect(await found('a:c')).toEqual(['a', 'c'])
    expect(await found('x@0:d')).toEqual(['x@0', 'd'])
  })

  test('that is absent is not found, by its own name', async () => {
    const path = join(await makeTemporaryFolder(), 'absent')
    const error = await failure(openLayout(`oci:${path}:1.0`))
    expect(error.code).toBe('not-found')
    expect(error.message).toBe(`oci:${path}: there is no folder ${path}`)
    expect((await failure(openLayout(`oci:${path}`))).message).toBe(error.message)
  })
})

describe('an archive', () => {
  test('is a file and perhaps an image name with colons of its own', async () => {
    const path = join(await makeTemporaryFolder(), 'images.tar')
    const image = await makeImage()
    await writeFile(path, await packLayout({ 'localhost:5000/app:1': image }))
    for (const transport of ['oci-archive', 'docker-archive']) {
      const opened = await open(`${transport}:${path}:localhost:5000/app:1`)
      expect(opened).toMatchObject({ path, reference: 'localhost:5000/app:1', transport })
      expect((await opened.source.resolve('any', opened.reference ?? '')).digest).toBe(image.root.digest)
    }
  })

  test('that is a folder, and a layout that is a file, say what to write', async () => {
    const folder = await makeTemporaryFolder()
    const path = join(folder, 'images.tar')
    await writeFile(path, await packLayout({ latest: await makeImage() }))
    expect((await failure(openLayout(`oci:${path}`))).hint).toContain('oci-archive:FILE')
    expect((await failure(openLayout(`oci-archive:${folder}`))).hint).toContain('oci:DIR')
  })
})

test.each(['alpine', 'docker://alpine', 'dir:/tmp', 'containers-storage:alpine'])('%s is no layout', async text => {
  expect((await failure(openLayout(text))).code).toBe('usage')
})

test('a digest that a layout does not hold is not found', async () => {
  const folder = await makeTemporaryFolder()
  await writeLayout(folder, { latest: await makeImage() })
  const { source, reference = '' } = await open(`oci:${folder}@${digestOf('absent')}`)
  expect((await failure(source.resolve('any', reference))).code).toBe('not-found')
})

async function open(text: string): Promise<OpenedLayout> {
  const opened = await openLayout(text)
  onTestFinished(async () => opened.source.close())
  return opened
}
