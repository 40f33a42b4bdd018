import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import type { RunContext } from '../../src/cli/command.ts'
import { parseCommandLine } from '../../src/cli/parse.ts'

/* What `setup --azure` prints; what it does to an account is in test/deploy/azure and test/e2e. */

test('it prints a script that a shell takes, all else as comments', async () => {
  const { printed, code } = await setup(['--azure', 'myregistry'])
  expect(code).toBe(0)
  const script = printed.join('\n')
  const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(script).toContain('#   registrish deploy --azure myregistry')
  expect(script).toMatch(/#\s+docker run \S+\/alpine/)
})

test('the role is for the container alone, whatever a shell makes of "$"', async () => {
  const { printed } = await setup(['--azure', 'myregistry'])
  const script = `az() { case "$1 $2" in "storage account") echo /id;; "role assignment") printf '%s\\n' "$@";; esac; }\n${printed.join('\n')}`
  const { stdout } = spawnSync('sh', { input: script, encoding: 'utf8' })
  expect(stdout.split('\n')).toEqual(
    expect.arrayContaining(['Storage Blob Data Contributor', '/id/blobServices/default/containers/$web']),
  )
})

test('it prints the same as data', async () => {
  const { printed } = await setup(['--azure', 'myregistry'], 'json')
  expect(JSON.parse(printed.join('\n'))).toMatchObject({ account: 'myregistry', steps: expect.any(Array) })
  expect((await setup(['--azure', 'myregistry'], 'ndjson')).printed).toHaveLength(1)
})

test.each([
  [['--azure', 'myregistry', '--s3', 'bucket'], /--s3 is not about --azure/],
  [['--azure', 'myregistry', '--unlisted'], /--unlisted is not about --azure/],
  [['--azure', 'myregistry', '--azure-container', 'images'], /\$web only/],
  [['--azure-endpoint', 'https://a.test'], /--azure ACCOUNT/],
  [['--azure', 'My-Registry'], /no name of a storage account/],
])('%j makes no sense', async (args, message) => {
  await expect(setup(args)).rejects.toMatchObject({ code: 'usage', message: expect.stringMatching(message) })
})

async function setup(
  args: readonly string[],
  output: RunContext['output'] = 'text',
): Promise<{ readonly printed: readonly string[]; readonly code: number }> {
  const printed: string[] = []
  const parsed = await parseCommandLine(['setup', ...args])
  if (parsed.type !== 'command') throw new Error('no command')
  const code = await parsed.command.run(parsed.args, {
    signal: new AbortController().signal,
    output,
    onProgress: () => undefined,
    print: line => void printed.push(line),
    say: () => undefined,
    complain: () => undefined,
  })
  return { printed, code }
}
