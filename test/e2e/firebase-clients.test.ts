import { describePulls } from './support/client-pulls.ts'
import { done } from './support/registrish.ts'
import { startSuperstatic } from './support/superstatic.ts'

/* Real images on superstatic, as `registrish emit --host firebase` lays them out: every client pulls and runs them. */

describePulls(
  'Firebase’s superstatic',
  ['superstatic'],
  async root => {
    await done(['emit', '--root', root, '--host', 'firebase'])
    const { host, stop } = await startSuperstatic(root)
    return { host, close: stop }
  },
  {
    images: ['busybox:latest', 'busybox:RC1', 'busybox:rc1', 'multi:latest', 'team/tools/busybox:latest'],
    byDigest: ['busybox:latest', 'multi:latest', 'team/tools/busybox:latest'],
  },
)
