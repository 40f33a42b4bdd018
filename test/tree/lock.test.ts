import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { acquireNamedLock, acquireReadingLock, acquireTreeLock, tryNamedLock } from '../../src/tree/lock.ts'
import { currentIdentity, livenessOf, ownerOf, type ProcessIdentity } from '../../src/tree/process-identity.ts'
import { asOrdinaryUser } from '../support/as-nobody.ts'
import { type Child, type CompiledModules, compileModules } from './support/child-program.ts'

let compiled: CompiledModules
let root: string

beforeAll(() => {
  compiled = compileModules('tree/lock.ts')
})
afterAll(() => compiled.remove())

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'registrish-lock-'))
  return () => rmSync(root, { recursive: true, force: true })
})

const locks = (): string => join(root, '.registrish/locks')
const tickets = (): readonly string[] => (existsSync(locks()) ? readdirSync(locks()) : [])

/** Waits for something to come true, for as long as a busy machine may need. */
const until = (condition: () => boolean): Promise<unknown> => vi.waitUntil(condition, { timeout: 15_000, interval: 5 })

/** A child that acquires a lock, says so, and holds it until it is told to go on. */
function holder(acquire: string): Child {
  return compiled.start(
    `import { once } from 'node:events'
     import { acquireTreeLock, acquireNamedLock } from './tree/lock.js'
     const lock = await ${acquire}
     console.log('held')
     await once(process.stdin, 'data')
     process.stdin.destroy()
     await lock.release()`,
    [root],
  )
}

describe('the tree lock', () => {
  test('is shared by many and exclusive to one', async () => {
    const shared = [await acquireTreeLock(root, 'shared'), await acquireTreeLock(root, 'shared')]
    const order: string[] = []
    let waits = false
    const onWait = (): void => {
      waits = true
    }
    const exclusive = acquireTreeLock(root, 'exclusive', { onWait }).then(async lock => {
      order.push('exclusive')
      await lock.release()
    })
    await until(() => waits)
    const late = acquireTreeLock(root, 'shared').then(async lock => {
      order.push('shared')
      await lock.release()
    })
    await until(() => tickets().length === 4)
    expect(order).toEqual([])
    for (const lock of shared) await lock.release()
    await Promise.all([exclusive, late])
    expect(order).toEqual(['exclusive', 'shared'])
    expect(tickets()).toEqual([])
  })

  test('is released once, however often and in whatever way', async () => {
    const lock = await acquireTreeLock(root, 'exclusive')
    await lock.release()
    const next = await acquireTreeLock(root, 'exclusive')
    await lock.release()
    await lock[Symbol.asyncDispose]()
    expect(tickets()).toHaveLength(1)
    await next.release()
  })

  test('names its owner to who waits, once', async () => {
    const held = await acquireTreeLock(root, 'exclusive', { purpose: 'prune' })
    const heard: string[] = []
    const waiting = acquireTreeLock(root, 'shared', { onWait: owner => heard.push(owner) })
    await until(() => heard.length > 0)
    await held.release()
    await (await waiting).release()
    expect(heard).toEqual([`prune, pid ${process.pid} on ${currentIdentity().host}`])
  })

  test('is given up by who is interrupted while waiting, before and meanwhile', async () => {
    const held = await acquireTreeLock(root, 'exclusive')
    const controller = new AbortController()
    const waiting = acquireTreeLock(root, 'exclusive', { signal: controller.signal })
    await until(() => tickets().length === 2)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
    await expect(acquireTreeLock(root, 'shared', { signal: controller.signal })).rejects.toMatchObject({
      code: 'aborted',
    })
    expect(tickets()).toHaveLength(1)
    await held.release()
  })

  test('queues again where the ticket of who waits was deleted', async () => {
    const held = await acquireTreeLock(root, 'exclusive')
    const before = tickets()
    const waiting = acquireTreeLock(root, 'exclusive')
    await until(() => tickets().length === 2)
    const [ticket = ''] = tickets().filter(name => !before.includes(name))
    rmSync(join(locks(), ticket))
    await until(() => tickets().length === 2)
    await held.release()
    await (await waiting).release()
    expect(tickets()).toEqual([])
  })

  test('is taken over at once from a process that was killed', async () => {
    const child = holder(`acquireTreeLock(process.argv[2], 'exclusive', { purpose: 'repair' })`)
    expect(await child.nextLine()).toBe('held')
    const heard: string[] = []
    const waiting = acquireTreeLock(root, 'shared', { onWait: owner => heard.push(owner) })
    await until(() => heard.length > 0)
    expect(heard).toEqual([`repair, pid ${child.process.pid} on ${currentIdentity().host}`])
    child.process.kill('SIGKILL')
    await (await waiting).release()
    expect(await child.ended).toBe('SIGKILL')
    expect(tickets()).toEqual([])
  })

  test('is taken over from a killed process whose parent has not noticed yet', async () => {
    const child = holder(`acquireTreeLock(process.argv[2], 'exclusive')`)
    await child.nextLine()
    const [ticket = ''] = tickets()
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
    onTestFinished(() => {
      parent.kill('SIGKILL')
    })
    const [pid = ''] = (await once(createInterface({ input: parent.stdout }), 'line')) as string[]
    await until(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n')
    process.kill(Number(pid), 'SIGKILL') // its parent is no shell any more and does not wait for it
    await until(() => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))
    const start = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]
    child.process.kill('SIGKILL')
    await child.ended
    rmSync(join(locks(), ticket))
    const parts = ticket.split('.')
    writeFileSync(join(locks(), [...parts.slice(0, 3), pid, start, ...parts.slice(5)].join('.')), '')
    await (await acquireTreeLock(root, 'exclusive')).release()
  })

  test('is released when a process ends without doing so', async () => {
    const child = compiled.start(
      `import { acquireTreeLock } from './tree/lock.js'
       await acquireTreeLock(process.argv[2], 'exclusive')
       process.exit(7)`,
      [root],
    )
    expect(await child.ended).toBe(7)
    expect(tickets()).toEqual([])
  })

  test('does not keep a process from ending', async () => {
    const child = compiled.start(
      `import { acquireTreeLock } from './tree/lock.js'
       await acquireTreeLock(process.argv[2], 'exclusive')`,
      [root],
    )
    expect(await child.ended).toBe(0)
    expect(tickets()).toEqual([])
  })

  test('sweeps what the dead have left of other locks', async () => {
    const child = holder(`acquireNamedLock(process.argv[2], 'blob-nobody-wants')`)
    await child.nextLine()
    child.process.kill('SIGKILL')
    await child.ended
    expect(tickets()).toHaveLength(1)
    const lock = await acquireTreeLock(root, 'shared')
    expect(tickets()).toHaveLength(1)
    expect(tickets()[0]).toMatch(/^@tree\./)
    await lock.release()
  })

  test('starves neither side when eight processes take turns', { timeout: 60_000 }, async () => {
    writeFileSync(join(root, 'counter'), '0')
    writeFileSync(join(root, 'readers'), '')
    const code = `
      import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
      import { setImmediate } from 'node:timers/promises'
      import { acquireTreeLock } from './tree/lock.js'
      const [, , root, mode] = process.argv
      for (let round = 0; round < 15; round += 1) {
        const lock = await acquireTreeLock(root, mode)
        const before = readFileSync(root + '/counter', 'utf8')
        for (let turn = 0; turn < 20; turn += 1) await setImmediate()
        if (readFileSync(root + '/counter', 'utf8') !== before) process.exitCode = 9
        if (mode === 'exclusive') writeFileSync(root + '/counter', String(Number(before) + 1))
        else appendFileSync(root + '/readers', '.')
        await lock.release()
      }`
    const children = Array.from({ length: 8 }, (_, i) => compiled.start(code, [root, i % 2 ? 'shared' : 'exclusive']))
    expect(await Promise.all(children.map(child => child.ended))).toEqual(Array(8).fill(0))
    expect(readFileSync(join(root, 'counter'), 'utf8')).toBe('60')
    expect(readFileSync(join(root, 'readers'), 'utf8')).toHaveLength(60)
    expect(tickets()).toEqual([])
  })
})

describe('a named lock', () => {
  test('excludes those of its name only', async () => {
    const one = await acquireNamedLock(root, 'documents')
    const other = await acquireNamedLock(root, 'tree')
    const tree = await acquireTreeLock(root, 'exclusive')
    expect(await tryNamedLock(root, 'documents')).toBeUndefined()
    const long = await tryNamedLock(root, `sha512:${'0'.repeat(128)}`)
    const odd = await tryNamedLock(root, '../a b/ü'.repeat(99))
    expect(long).toBeDefined()
    expect(odd).toBeDefined()
    expect(tickets()).toHaveLength(5)
    await one.release()
    const again = await tryNamedLock(root, 'documents')
    expect(again).toBeDefined()
    for (const lock of [other, tree, long, odd, again]) await lock?.release()
    expect(tickets()).toEqual([])
  })

  test('counts right when eight processes increment a file under it', { timeout: 60_000 }, async () => {
    writeFileSync(join(root, 'counter'), '0')
    const code = `
      import { readFileSync, writeFileSync } from 'node:fs'
      import { acquireNamedLock } from './tree/lock.js'
      const file = process.argv[2] + '/counter'
      for (let round = 0; round < 40; round += 1) {
        const lock = await acquireNamedLock(process.argv[2], 'counter')
        const value = Number(readFileSync(file, 'utf8'))
        await new Promise(resolve => setImmediate(resolve))
        writeFileSync(file, String(value + 1))
        await lock.release()
      }`
    const children = Array.from({ length: 8 }, () => compiled.start(code, [root]))
    expect(await Promise.all(children.map(child => child.ended))).toEqual(Array(8).fill(0))
    expect(readFileSync(join(root, 'counter'), 'utf8')).toBe('320')
  })

  test('passes safely through kills: whoever takes over is alone', { timeout: 60_000 }, async () => {
    const code = `
      import { once } from 'node:events'
      import { mkdirSync, rmdirSync, readFileSync, writeFileSync } from 'node:fs'
      import { acquireNamedLock } from './tree/lock.js'
      const [, , root] = process.argv
      console.log('ready')
      await once(process.stdin, 'data')
      process.stdin.destroy()
      const lock = await acquireNamedLock(root, 'work')
      mkdirSync(root + '/alone')
      await new Promise(resolve => setTimeout(resolve, 5))
      writeFileSync(root + '/counter', String(Number(readFileSync(root + '/counter', 'utf8')) + 1))
      rmdirSync(root + '/alone')
      await lock.release()`
    for (let round = 1; round <= 5; round += 1) {
      writeFileSync(join(root, 'counter'), '0')
      const victim = holder(`acquireNamedLock(process.argv[2], 'work')`)
      await victim.nextLine()
      const heirs = Array.from({ length: 5 }, () => compiled.start(code, [root]))
      for (const heir of heirs) await heir.nextLine()
      victim.process.kill('SIGKILL')
      await victim.ended
      for (const heir of heirs) heir.say('go')
      expect(await Promise.all(heirs.map(heir => heir.ended))).toEqual(Array(5).fill(0))
      expect(readFileSync(join(root, 'counter'), 'utf8')).toBe('5')
    }
  })
})

describe('an owner whose pid means nothing here', () => {
  const elsewhere: Readonly<Record<string, Partial<ProcessIdentity>>> = {
    'on another host': { host: 'elsewhere', bootId: 'other' },
    'before the machine started again': { bootId: 'earlier' },
    'in another pid namespace': { namespace: 'pid:[1]' },
  }
  /** As if watched for long already. */
  const silence = { age: 25_000, watch: 0 }

  test.each(Object.entries(elsewhere))('holds while its heart beats, %s', async (_, identity) => {
    const lock = await acquireNamedLock(root, 'x', { identity: { ...currentIdentity(), ...identity } })
    expect(await tryNamedLock(root, 'x', { silence })).toBeUndefined()
    setAge(24_000)
    expect(await tryNamedLock(root, 'x', { silence })).toBeUndefined()
    await lock.release()
  })

  test.each(Object.entries(elsewhere))('is dead when it is silent, %s', async (_, identity) => {
    await acquireNamedLock(root, 'x', { identity: { ...currentIdentity(), ...identity } })
    setAge(26_000)
    expect(await tryNamedLock(root, 'x')).toBeUndefined()
    const lock = await tryNamedLock(root, 'x', { silence })
    expect(lock).toBeDefined()
    await lock?.release()
    expect(tickets()).toEqual([])
  })

  test('is watched before an old heartbeat is believed, and is not dead while that changes', async () => {
    let looks = 0
    let clock = 1_000
    vi.spyOn(performance, 'now').mockImplementation(() => {
      looks += 1
      return clock
    })
    onTestFinished(() => {
      vi.restoreAllMocks()
    })
    await acquireNamedLock(root, 'x', { identity: { ...currentIdentity(), bootId: 'other' } })
    setAge(60_000)
    let held = false
    const waiting = acquireNamedLock(root, 'x', { silence: { age: 25_000, watch: 5_000 } }).then(lock => {
      held = true
      return lock
    })
    const lookTwice = async (): Promise<void> => {
      const before = looks
      await until(() => looks >= before + 2)
    }
    for (let beat = 1; beat < 4; beat += 1) {
      clock += 4_900
      await lookTwice()
      setAge(60_000 - beat) // a clock that is behind ours
      await lookTwice()
      expect(held).toBe(false)
    }
    clock += 5_000
    await (await waiting).release()
    expect(tickets()).toEqual([])
  })

  test('beats while it holds and while it waits', { timeout: 30_000 }, async () => {
    const held = holder(`acquireNamedLock(process.argv[2], 'x')`)
    await held.nextLine()
    holder(`acquireNamedLock(process.argv[2], 'x')`)
    await until(() => tickets().length === 2)
    setAge(100_000)
    const old = Date.now() - 50_000
    await until(() => tickets().every(name => statSync(join(locks(), name)).mtimeMs > old))
  })

  function setAge(milliseconds: number): void {
    const then = new Date(Date.now() - milliseconds)
    for (const name of tickets()) utimesSync(join(locks(), name), then, then)
  }
})

describe('liveness', () => {
  const self = ownerOf(currentIdentity())

  test('tells this process from another that had the same pid', () => {
    expect(livenessOf(self, self)).toBe('alive')
    expect(livenessOf({ ...self, startTime: '1' }, self)).toBe('dead')
  })

  test('is unknown where start times are, unless the pid is gone', () => {
    const { startTime, ...bare } = self
    expect(startTime).toMatch(/^\d+$/)
    expect(livenessOf(bare, bare)).toBe('unknown')
    expect(livenessOf({ ...bare, pid: 2 ** 22 + 1 }, bare)).toBe('dead')
  })
})

describe('a tree that cannot be locked', () => {
  test('needs no lock to be read where it has no private folder', async () => {
    const lock = await acquireReadingLock(root)
    expect(readdirSync(root)).toEqual([])
    await lock.release()
  })

  test('is locked to be read where it can be', async () => {
    mkdirSync(join(root, '.registrish'))
    const lock = await acquireReadingLock(root)
    expect(tickets()).toHaveLength(1)
    await lock.release()
  })

  test('needs no lock to be read where it is read-only', async () => {
    mkdirSync(locks(), { recursive: true })
    chmodSync(locks(), 0o555)
    await asOrdinaryUser(root, async () => {
      await (await acquireReadingLock(root)).release()
      await expect(acquireTreeLock(root, 'shared')).rejects.toMatchObject({ code: 'io' })
    })
  })

  test('says so when the folder is not one', async () => {
    writeFileSync(join(root, '.registrish'), '')
    await expect(acquireTreeLock(root, 'exclusive')).rejects.toMatchObject({ code: 'io', side: 'target' })
    await expect(tryNamedLock(root, 'x')).rejects.toMatchObject({ code: 'io', side: 'target' })
  })
})
