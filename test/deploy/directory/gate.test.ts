import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createGate } from '../../../src/deploy/directory/gate.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'

test.each(['one gate', 'two gates'])('lets one piece of work through at a time: %s of a folder', async kind => {
  const folder = await makeTemporaryFolder()
  const gates = kind === 'one gate' ? [createGate(folder)] : [createGate(folder), createGate(folder)]
  let [inside, most] = [0, 0]
  const work = async (): Promise<void> => {
    inside += 1
    most = Math.max(most, inside)
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
    inside -= 1
  }
  await Promise.all([...gates, ...gates, ...gates].map(gate => gate(work)))
  expect(most).toBe(1)
})

test('goes on after work that failed, and after who was interrupted', async () => {
  const folder = await makeTemporaryFolder()
  const gate = createGate(folder)
  const aborted = gate(async () => 'aborted', { signal: AbortSignal.abort() })
  const failed = gate(async () => {
    throw new Error('it failed')
  })
  await expect(aborted).rejects.toMatchObject({ code: 'aborted' })
  await expect(failed).rejects.toThrow('it failed')
  expect(await gate(async () => 'done')).toBe('done')
})

test('lets others in between, first come, first served', async () => {
  const folder = await makeTemporaryFolder()
  const order: string[] = []
  const [one, other] = [createGate(folder, { longest: 0 }), createGate(folder, { longest: 0 })]
  const enter = (gate: ReturnType<typeof createGate>, name: string): Promise<void> =>
    gate(async () => void order.push(name))
  let [begin, began] = [(): void => {}, (): void => {}]
  const beginning = new Promise<void>(resolve => {
    began = resolve
  })
  const held = one(async () => {
    began()
    await new Promise<void>(resolve => {
      begin = resolve
    })
  })
  await beginning
  const all = [enter(one, 'one'), enter(one, 'one'), enter(other, 'other')]
  while ((await readdir(join(folder, '.registrish/locks'))).length < 2) await new Promise(setImmediate)
  begin()
  await Promise.all([held, ...all])
  expect(order).toEqual(['other', 'one', 'one'])
})

test('is open again where the last who waited was interrupted', async () => {
  const folder = await makeTemporaryFolder()
  const gate = createGate(folder)
  const controller = new AbortController()
  const first = gate(async () => controller.abort())
  const second = gate(async () => undefined, { signal: controller.signal })
  await first
  await expect(second).rejects.toMatchObject({ code: 'aborted' })
  expect(await createGate(folder)(async () => 'open')).toBe('open')
})
