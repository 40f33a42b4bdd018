import { describe, expect, test } from 'vitest'
import { capture, killAll, run, runUntil } from '../../scripts/sample/programs.ts'

const FOLDER = process.cwd()
const node = (script: string): readonly [string, readonly string[]] => [process.execPath, ['-e', script]]

/** A server that says so, and ends with `code` when it is asked to. */
const server = (code: number): string =>
  `process.on('SIGTERM', () => process.exit(${code})); setInterval(() => {}, 1000); process.stdout.write('at port '); process.stdout.write('4711\\n')`

describe('a program in sight', () => {
  test('is waited for', async () => {
    await expect(run(...node('process.exitCode = 0'), FOLDER)).resolves.toBeUndefined()
  })

  test('that ends with another code than 0 is a failure', async () => {
    await expect(run(...node('process.exitCode = 5'), FOLDER)).rejects.toThrow('ended with 5')
  })

  test('that does not exist is a failure', async () => {
    await expect(run('no-such-program', [], FOLDER)).rejects.toThrow('ENOENT')
  })
})

describe('a program out of sight', () => {
  test('gives its output and code', async () => {
    const ended = await capture(...node("console.log('out'); console.error('err'); process.exitCode = 3"), 60_000)
    expect(ended).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' })
  })

  test('that does not exist is none', async () => {
    expect(await capture('no-such-program', [], 60_000)).toBeUndefined()
  })

  test('that does not end is ended', async () => {
    expect(await capture(...node('setInterval(() => {}, 1000)'), 1)).toMatchObject({ code: null })
  })
})

describe('a server', () => {
  test('is there when its output says so, and stops when asked to', async () => {
    const running = await runUntil(/port (\d+)\n/, ...node(server(0)), FOLDER)
    expect(running.found[1]).toBe('4711')
    await running.stop()
  })

  test('that does not stop with 0 is a failure', async () => {
    const running = await runUntil(/port (\d+)\n/, ...node(server(7)), FOLDER)
    await expect(running.stop()).rejects.toThrow('ended with 7')
  })

  test('that ends before it is there is a failure', async () => {
    await expect(runUntil(/port/, ...node('process.exitCode = 2'), FOLDER)).rejects.toThrow('ended with 2')
  })

  test('dies with all others at once', async () => {
    const running = await runUntil(/port (\d+)\n/, ...node(server(0)), FOLDER)
    killAll()
    await expect(running.stop()).rejects.toThrow('SIGKILL')
  })
})
