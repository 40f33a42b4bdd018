import type { Bench } from './bench.ts'
import { emit } from './benches/emit.ts'
import { refresh } from './benches/refresh.ts'
import { webservers } from './benches/webservers.ts'

/** Every benchmark, in the order in which they run: a new one is one more line. */
export const BENCHES: readonly Bench[] = [emit, webservers, refresh]
