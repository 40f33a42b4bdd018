import { describe, expect, test } from 'vitest'
import { parseSkopeoName, skopeoArgument } from '../../src/fetch/skopeo-name.ts'
import { digestOf } from '../../src/oci/digest.ts'

const DIGEST = digestOf('image')

describe('an argument of --via skopeo', () => {
  test.each([
    ['alpine', 'docker://docker.io/library/alpine', undefined],
    ['alpine:3', 'docker://docker.io/library/alpine', '3'],
    ['docker:24', 'docker://docker.io/library/docker', '24'],
    ['docker://ghcr.io/o/app:1.10', 'docker://ghcr.io/o/app', '1.10'],
    ['docker-daemon:app:1', 'docker-daemon:docker.io/library/app', '1'],
    ['containers-storage:localhost/app:1', 'containers-storage:localhost/app', '1'],
    ['containers-storage:[vfs@/a:b+/c]localhost:5000/app:1', 'containers-storage:[vfs@/a:b+/c]localhost:5000/app', '1'],
  ])('%s is a name, and its tag apart', (text, image, tag) => {
    const name = parseSkopeoName(text)
    expect([name.image, name.named, name.reference?.tag]).toEqual([image, true, tag])
    expect(skopeoArgument(name, '007')).toBe(`${image}:007`)
    expect(skopeoArgument(name, DIGEST)).toBe(`${image}@${DIGEST}`)
  })

  test.each([
    ['dir:/a:b', 'dir:/a:b'],
    ['oci:/a:v1', 'oci:/a:v1'],
    ['ocidir:///a:v1', 'oci:/a:v1'],
    ['docker-archive:/a.tar:app:1', 'docker-archive:/a.tar:app:1'],
    [`docker-daemon:${DIGEST}`, `docker-daemon:${DIGEST}`],
    ['containers-storage:[vfs@/a+/b]@0123456789ab', 'containers-storage:[vfs@/a+/b]@0123456789ab'],
  ])('%s is one image as it stands', (text, image) => {
    const name = parseSkopeoName(text)
    expect([name.image, name.named, name.reference]).toEqual([image, false, undefined])
    expect(skopeoArgument(name, 'whatever')).toBe(image)
  })

  test('with a digest is a name with a digest', () => {
    expect(parseSkopeoName(`docker://app@${DIGEST}`).reference?.digest).toBe(DIGEST)
  })

  test.each(['docker://o/UPPER', 'containers-storage:[vfs@/a', 'docker-daemon:a b', 'https://a/b', 'dir:'])(
    '%s is refused',
    text => {
      expect(() => parseSkopeoName(text)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/usage|name-invalid/) }),
      )
    },
  )
})
