import { expect, test } from 'vitest'
import { applyAzureSetup, planAzureSetup } from '../../../src/deploy/azure/setup.ts'
import { parseAzureTarget } from '../../../src/deploy/azure/target.ts'
import { type Asked, openCallsOn, type Said, startFakeAzure } from './support.ts'

/** A service with this website, whose container is there as soon as it is on. */
function serviceWith(website: string): (asked: Asked) => Said {
  return ({ method, query }) => {
    if (query.get('restype') === 'container') return { status: 409, code: 'ContainerAlreadyExists' }
    if (method === 'PUT') return { status: 202 }
    const body = `<?xml version="1.0" encoding="utf-8"?><StorageServiceProperties><Cors /><StaticWebsite>${website}</StaticWebsite></StorageServiceProperties>`
    return { status: 200, headers: { 'content-type': 'application/xml' }, body }
  }
}

const OURS =
  '<Enabled>true</Enabled><IndexDocument>index.json</IndexDocument><ErrorDocument404Path>v2/_404.json</ErrorDocument404Path>'

test('says what a new account needs', () => {
  const { steps, deploy } = planAzureSetup(parseAzureTarget({ account: 'registry' }))
  const script = steps.map(({ command }) => command).join('\n')
  expect(script).toContain(
    'az storage blob service-properties update --account-name registry --static-website true --index-document index.json --404-document v2/_404.json',
  )
  expect(script).toMatch(/az role assignment create .*'Storage Blob Data Contributor'.*\/containers\/"'\$web'/)
  expect(script).toContain('primaryEndpoints.web')
  expect(deploy).toBe('registrish deploy --azure registry --url HOST')
})

test.each(['<Enabled>false</Enabled>', '<Enabled>true</Enabled><IndexDocument>index.json</IndexDocument>'])(
  'switches the website on and names nothing else, so that all else is kept: %s',
  async website => {
    const fake = await startFakeAzure(serviceWith(website))
    const results = await applyAzureSetup(await openCallsOn(fake))
    expect(results.map(({ part, outcome }) => [part, outcome])).toEqual([
      ['website', 'done'],
      ['container', 'unchanged'],
    ])
    expect(fake.log()).toEqual(['GET properties', 'PUT properties', 'PUT blob'])
    const sent = fake.asked[1]?.body.toString() ?? ''
    expect(sent).toContain(`<StaticWebsite>${OURS}</StaticWebsite>`)
    expect([...sent.matchAll(/<(\w+)/g)].map(([, name]) => name)).not.toContain('Cors')
  },
)

test('does nothing the second time', async () => {
  const fake = await startFakeAzure(serviceWith(OURS))
  const results = await applyAzureSetup(await openCallsOn(fake))
  expect(results.map(({ outcome }) => outcome)).toEqual(['unchanged', 'unchanged'])
  expect(fake.log()).not.toContain('PUT properties')
})

test.each([
  '<Enabled>true</Enabled><IndexDocument>index.html</IndexDocument>',
  '<Enabled>true</Enabled><IndexDocument>index.json</IndexDocument><ErrorDocument404Path>404.html</ErrorDocument404Path>',
  '<Enabled>true</Enabled><DefaultIndexDocumentPath>home.html</DefaultIndexDocumentPath>',
])('leaves a website with documents of its own as it is: %s', async website => {
  const fake = await startFakeAzure(serviceWith(website))
  const [result, ...others] = await applyAzureSetup(await openCallsOn(fake))
  expect(others).toEqual([])
  expect(result).toMatchObject({ outcome: 'refused', text: expect.stringContaining('.html'), hint: expect.any(String) })
  expect(fake.log()).toEqual(['GET properties'])
})
