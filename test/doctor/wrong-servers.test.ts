import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { examineRegistry } from '../../src/doctor/examine.ts'
import { CLIENTS, type Client, type DoctorReport, type Verdict } from '../../src/doctor/report.ts'
import { describeWithProgram } from '../support/optional-program.ts'
import { RIGHT_REGISTRIES, TWICE_WRONG, WRONG_REGISTRIES } from '../support/wrong-registries.ts'
import {
  makeWrongRegistryCertificates,
  startWrongRegistry,
  type WrongRegistry,
  type WrongRegistryCertificates,
} from '../support/wrong-registry.ts'

type Verdicts = Readonly<Record<string, Verdict>>

describeWithProgram('openssl', ['version'], 'a registry', () => {
  let folder: string
  let certificates: WrongRegistryCertificates
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'registrish-test-'))
    certificates = makeWrongRegistryCertificates(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const examine = async (wrong: Parameters<typeof startWrongRegistry>[0]): Promise<DoctorReport> => {
    const registry = await startWrongRegistry(wrong, { certificates, seed: 'doctor' })
    onTestFinished(registry.close)
    return examineRegistry(`${registry.host}/${registry.image}`, { caFile: certificates.caFile, env: {} })
  }

  describe('that is right', () => {
    it.for(named(RIGHT_REGISTRIES))('%s', async ([, right]) => {
      const report = await examine(right)
      expect(faults(report)).toEqual([])
      expect(overall(report)).toEqual(expected({}))
    })
  })

  describe('with one mistake', () => {
    it.for(named(WRONG_REGISTRIES))('%s', async ([, wrong]) => {
      const { check, fails = [] } = wrong
      const report = await examine(wrong)
      const outcome = fails.length > 0 ? 'failed' : 'caveat'
      expect(faults(report)).toEqual([`${check} ${outcome}: ${told(expected(wrong))}`])
      expect(overall(report)).toEqual(expected(wrong))
    })
  })

  describe('with two mistakes', () => {
    it.for(named(TWICE_WRONG))('%s', async ([, wrong]) => {
      const report = await examine(wrong)
      const troubles = report.checks.filter(({ outcome }) => outcome === 'caveat' || outcome === 'failed')
      expect(troubles.map(({ check }) => check)).toEqual(wrong.checks)
      expect(overall(report)).toEqual(expected(wrong))
    })
  })
})

/** For titles: those made of a property are cut short. */
function named<T extends { readonly name: string }>(registries: readonly T[]): readonly (readonly [string, T])[] {
  return registries.map(registry => [registry.name, registry])
}

/** What did not pass, in words that a failing test shows well: `child-type failed: docker fails, crane caveat`. */
function faults({ checks }: DoctorReport): readonly string[] {
  return checks
    .filter(({ outcome }) => outcome === 'caveat' || outcome === 'failed')
    .map(({ check, outcome, clients }) => {
      return `${check} ${outcome}: ${told(byClient(client => clients[client]?.verdict ?? 'works'))}`
    })
}

function told(verdicts: Verdicts): string {
  const named = Object.entries(verdicts).filter(([, verdict]) => verdict !== 'works')
  return named.map(entry => entry.join(' ')).join(', ')
}

function overall({ clients }: DoctorReport): Verdicts {
  return Object.fromEntries(clients.map(({ client, verdict }) => [client, verdict]))
}

function expected({ fails = [], caveats = [] }: Pick<WrongRegistry, 'fails' | 'caveats'>): Verdicts {
  return byClient(client => (fails.includes(client) ? 'fails' : caveats.includes(client) ? 'caveat' : 'works'))
}

function byClient(verdict: (client: Client) => Verdict): Verdicts {
  return Object.fromEntries(CLIENTS.map(client => [client, verdict(client)]))
}
