import { expect, it, vi } from 'vitest'
import { readContent } from '../../src/deploy/content.ts'
import { planDocuments } from '../../src/deploy/plan-documents.ts'
import { planReferrers } from '../../src/deploy/plan-referrers.ts'
import { makeImage } from '../support/made-images.ts'
import { createMemoryStore } from '../support/memory-store.ts'
import { makeTree } from './support/trees.ts'

vi.mock('../../src/deploy/plan-referrers.ts', () => ({ planReferrers: vi.fn() }))

it('a repository may have any number of referrers lists', async () => {
  const lists = Array.from({ length: 200_000 }, () => ({}))
  vi.mocked(planReferrers).mockResolvedValue(lists as never)
  const { root } = await makeTree({ app: { latest: await makeImage() } })
  const { documents } = await planDocuments({
    store: createMemoryStore(),
    repositories: await readContent(root),
    listing: new Map(),
    catalog: undefined,
    checkHeaders: false,
    isGoing: () => false,
    jobs: 1,
  })
  expect(documents).toHaveLength(lists.length + 2)
})
