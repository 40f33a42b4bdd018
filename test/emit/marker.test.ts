import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formatMarker, readMarker } from '../../src/emit/marker.ts'
import { nginx } from '../../src/emit/nginx.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

describe('the first line of a host’s files', () => {
  test('is the command that writes them, with all options', () => {
    expect(formatMarker(nginx, { port: '80' })).toBe(
      '# registrish emit --host nginx --web-root /srv/registrish --port 80 --form constant',
    )
  })

  test.for(['/srv/x', '/srv/with space', "/srv/it's", '/srv/ünï#;{}*', '/', '/a/--port', "/'", '/srv/"x" $HOME `id`'])(
    'gives the option %j back as it was',
    async webRoot => {
      const root = await rootWith(`${formatMarker(nginx, { 'web-root': webRoot, port: '81' })}\nthe rest`)
      expect(readMarker(root, nginx)).toEqual({ 'web-root': webRoot, port: '81', form: 'constant' })
    },
  )

  test('is read with the line ends of Windows too', async () => {
    expect(readMarker(await rootWith(`${formatMarker(nginx, { port: '81' })}\r\nx`), nginx)).toMatchObject({
      port: '81',
    })
  })

  test.for(['', 'server {}', '# my own', '# registrish emit --host nginxx', ' # registrish emit --host nginx'])(
    'is not ours where it says %j',
    async line => {
      expect(readMarker(await rootWith(`${line}\n`), nginx)).toBeUndefined()
    },
  )

  test('does not count where there is no file', async () => {
    expect(readMarker(await makeTemporaryFolder(), nginx)).toBeUndefined()
  })

  test.for([' --colour red', ' --port', ' --port "80', " --port '80", ' --port 80 $(id)', ' port 80'])(
    'is a conflict where it is ours but goes on with %j',
    async rest => {
      const root = await rootWith(`# registrish emit --host nginx${rest}\n`)
      expect(() => readMarker(root, nginx)).toThrow(
        expect.objectContaining({ code: 'conflict', hint: expect.stringContaining('--web-root') }),
      )
    },
  )
})

async function rootWith(text: string): Promise<string> {
  const root = await makeTemporaryFolder()
  await mkdir(join(root, 'nginx'))
  await writeFile(join(root, nginx.marker), text)
  return root
}
