import { expect, test } from 'vitest'
import { parseAzureTarget } from '../../../src/deploy/azure/target.ts'

test('an account, its website by default', () => {
  expect(parseAzureTarget({ account: 'registry1' })).toEqual({ account: 'registry1', container: '$web', notes: [] })
})

test('another container needs something before it, which is said', () => {
  const { container, notes } = parseAzureTarget({ account: 'registry', container: 'images' })
  expect(container).toBe('images')
  expect(notes.join()).toMatch(/\$web only.*Front Door/)
})

test.each([
  ['http://127.0.0.1:10000/registry/', 'http://127.0.0.1:10000/registry'],
  ['https://registry.blob.core.usgovcloudapi.net', 'https://registry.blob.core.usgovcloudapi.net'],
])('the endpoint %s', (given, endpoint) => {
  expect(parseAzureTarget({ account: 'registry', endpoint: given }).endpoint).toBe(endpoint)
})

test.each([
  [{ account: 'Registry' }, /3 to 24/],
  [{ account: 'https://registry.blob.core.windows.net' }, /name alone/],
  [{ account: 'my-registry' }, /small letters and digits/],
  [{ account: 'registry', container: 'a--b' }, /single hyphens/],
  [{ account: 'registry', container: 'ab' }, /\$web, needs no flag/],
  [{ account: 'registry', endpoint: 'registry.test' }, /--azure-endpoint https/],
  [{ account: 'registry', endpoint: 'https://registry.test?sig=SECRET' }, /without a user or a token/],
  [{ account: 'registry', endpoint: 'https://:SECRET@registry.test' }, /without a user or a token/],
  [{ account: 'https://user:SECRET@registry.test' }, /name alone/],
  [{ account: 'https://registry.blob.core.windows.net/c?sv=1&sig=SECRET' }, /name alone/],
  [{ account: 'DefaultEndpointsProtocol=https;AccountName=registry;AccountKey=SECRET==' }, /name alone/],
])('%j makes no sense', (input, hint) => {
  const error: unknown = (() => {
    try {
      return parseAzureTarget(input)
    } catch (cause) {
      return cause
    }
  })()
  expect(error).toMatchObject({ code: 'usage', hint: expect.stringMatching(hint) })
  expect(String(error)).not.toContain('SECRET')
})
