import { describe, expect, test } from 'vitest'
import { type DoctorTarget, parseTarget } from '../../src/doctor/target.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

describe('what is to be examined', () => {
  test.each<[string, DoctorTarget]>([
    ['registry.example.com', { host: 'registry.example.com' }],
    ['localhost', { host: 'localhost' }],
    ['localhost:5000/', { host: 'localhost:5000' }],
    ['https://registry.example.com/v2/', { host: 'registry.example.com', scheme: 'https' }],
    ['http://127.0.0.1:8000', { host: '127.0.0.1:8000', scheme: 'http' }],
    ['[::1]:5000/app', { host: '[::1]:5000', image: { repository: 'app' } }],
    [
      'registry.example.com/team/app:1.0',
      { host: 'registry.example.com', image: { repository: 'team/app', tag: '1.0' } },
    ],
    [
      'HTTPS://registry.example.com/app:1',
      { host: 'registry.example.com', scheme: 'https', image: { repository: 'app', tag: '1' } },
    ],
    [`host:5000/app@${DIGEST}`, { host: 'host:5000', image: { repository: 'app', digest: DIGEST as never } }],
    ['docker.io', { host: 'docker.io' }],
    ['docker.io/alpine', { host: 'docker.io', image: { repository: 'library/alpine' } }],
    ['index.docker.io/library/alpine:3', { host: 'docker.io', image: { repository: 'library/alpine', tag: '3' } }],
    [
      'https://registry-1.docker.io/library/alpine',
      { host: 'docker.io', scheme: 'https', image: { repository: 'library/alpine' } },
    ],
  ])('%s', (text, target) => {
    expect(parseTarget(text)).toEqual(target)
  })

  test.each([
    ['alpine', /image of Docker Hub/],
    ['library/alpine', /image of Docker Hub/],
    ['team/library/alpine', /image of Docker Hub/],
    ['', /does not begin with a host/],
    ['host.example.com:99999/a', /a port is 65535 at most/],
    ['host.example.com:99999', /a port is 65535 at most/],
    ['http://1.2.3.999/a', /each part of an IPv4 address 255/],
    ['ftp://registry.example.com', /no address of a registry/],
    ['https://registry.example.com/My/Images', /no room for a path/],
    ['https://registry.example.com/v2/app/manifests/latest', /address of the API/],
    ['https://registry.example.com/app?x=1', /address of the API/],
    ['https://user:secret@registry.example.com/app', /^(?!.*secret).*holds a user or a password/],
  ])('%j is a mistake', (text, message) => {
    expect(() => parseTarget(text)).toThrow(message)
  })

  test('is told with a way out', () => {
    expect(() => parseTarget('alpine')).toThrow(
      expect.objectContaining({
        code: 'usage',
        hint: expect.stringContaining('registrish doctor registry.example.com'),
      }),
    )
  })
})
