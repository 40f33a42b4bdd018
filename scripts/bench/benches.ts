import type { Bench } from './bench.ts'
import { deploy } from './benches/deploy.ts'
import { emit } from './benches/emit.ts'
import { fetchImage } from './benches/fetch.ts'
import { memory } from './benches/memory.ts'
import { refresh } from './benches/refresh.ts'
import { scale } from './benches/scale.ts'
import { serve } from './benches/serve.ts'
import { start } from './benches/start.ts'
import { tags } from './benches/tags.ts'
import { webservers } from './benches/webservers.ts'

/** Every benchmark, in the order in which they run: a new one is one more line. */
export const BENCHES: readonly Bench[] = [
  fetchImage,
  tags,
  memory,
  serve,
  start,
  emit,
  webservers,
  refresh,
  scale,
  deploy,
]
