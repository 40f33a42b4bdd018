import { describe, expect, test } from 'vitest'
import { parseTransport } from '../../src/layout/transport.ts'

describe('a source argument', () => {
  test.each([
    ['oci:dir', { kind: 'layout', transport: 'oci', rest: 'dir' }],
    ['oci:/a/b:1.0', { kind: 'layout', transport: 'oci', rest: '/a/b:1.0' }],
    ['ocidir://dir:1', { kind: 'layout', transport: 'ocidir', rest: 'dir:1' }],
    ['ocidir:///abs', { kind: 'layout', transport: 'ocidir', rest: '/abs' }],
    ['oci-archive:a.tar', { kind: 'layout', transport: 'oci-archive', rest: 'a.tar' }],
    ['docker-archive:a.tar:app:1', { kind: 'layout', transport: 'docker-archive', rest: 'a.tar:app:1' }],
    ['docker://alpine:3', { kind: 'skopeo', transport: 'docker', rest: 'alpine:3' }],
    ['docker-daemon:app:1', { kind: 'skopeo', transport: 'docker-daemon', rest: 'app:1' }],
    ['containers-storage:[vfs@/a+/b]app', { kind: 'skopeo', transport: 'containers-storage', rest: '[vfs@/a+/b]app' }],
    ['dir:/a', { kind: 'skopeo', transport: 'dir', rest: '/a' }],
  ] as const)('%s names a place', (text, parsed) => {
    expect(parseTransport(text)).toEqual(parsed)
  })

  test.each([
    'alpine',
    'alpine:3',
    'localhost:5000/app',
    'ghcr.io/o/app@sha256:0',
    'docker.io/library/oci:latest',
    'oci',
    'toString:1',
    'docker:24',
  ])('%s names an image in a registry', text => {
    expect(parseTransport(text)).toEqual({ kind: 'registry', text })
  })

  test.each(['oci:', 'docker://', 'https://ghcr.io/o/app', 's3://bucket'])('%s is refused with a way out', text => {
    expect(() => parseTransport(text)).toThrow(
      expect.objectContaining({ code: 'usage', hint: expect.stringMatching(/^write /) }),
    )
  })
})
