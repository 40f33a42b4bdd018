import { fileURLToPath } from 'node:url'
import type { Emitter } from '../../src/emit/emitter.ts'
import { EMITTERS } from '../../src/emit/hosts.ts'
import { FORM, PORT, WEB_ROOT } from '../../src/emit/options.ts'
import { type Cost, runMeasured } from './programs.ts'

/** The command line as `npm run build` leaves it, seen from .build/scripts/bench/. */
const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

/** A host in one of its forms. */
export interface HostForm {
  readonly emitter: Emitter
  /** Undefined where the host has one form only. */
  readonly form?: string
  /** `nginx`, `nginx --form map`. */
  readonly title: string
}

/** These refuse the trees that are measured: one takes 100,000 files at most, the other files of 2 GB. */
const TOO_SMALL: readonly string[] = ['cloudflare-pages', 'firebase']

/** Every host that takes what is measured, in every form. */
export function hostForms(): readonly HostForm[] {
  return EMITTERS.filter(({ name }) => !TOO_SMALL.includes(name)).flatMap(emitter =>
    has(emitter, FORM.name)
      ? ['constant', 'map'].map(form => ({ emitter, form, title: `${emitter.name} --form ${form}` }))
      : [{ emitter, title: emitter.name }],
  )
}

/** Runs a command of registrish in a process of its own. */
export function registrish(...args: readonly string[]): Promise<Cost> {
  return runMeasured(registrishCommand(...args))
}

/** The command that {@link registrish} runs. */
export function registrishCommand(...args: readonly string[]): readonly string[] {
  return [process.execPath, MAIN, ...args]
}

/** Emits for a host, told where it is where that matters to it. */
export function emitFor({ emitter, form }: HostForm, root: string, port = 5555): Promise<Cost> {
  const values = { [WEB_ROOT.name]: root, [PORT.name]: String(port), [FORM.name]: form }
  const flags = Object.entries(values).flatMap(([name, value]) =>
    value !== undefined && has(emitter, name) ? [`--${name}`, value] : [],
  )
  return registrish('emit', '--root', root, '--host', emitter.name, ...flags)
}

function has({ options }: Emitter, option: string): boolean {
  return options.some(({ name }) => name === option)
}
