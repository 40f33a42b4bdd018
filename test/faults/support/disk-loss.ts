import type { FileNode, FolderNode, Step } from './disk-nodes.ts'
import type { Random } from './random.ts'

/** Which of the names that no flush holds are there. */
export type NameLoss = 'none' | 'all' | 'last' | 'all but the last' | 'some'
/** What of the content that no flush holds is there. */
export type ContentLoss = 'nothing' | 'half' | 'zeros' | 'everything' | 'mixed'

/** The steps that a loss leaves, in their order. */
export function chooseSteps(steps: readonly Step[], names: NameLoss, random: Random): readonly Step[] {
  const loose = steps.filter(({ kept }) => !kept)
  const last = loose.at(-1)
  const chosen = new Set(
    loose.filter(step => {
      if (names === 'last') return step === last
      if (names === 'all but the last') return step !== last
      return names === 'all' || (names === 'some' && random(2) === 0)
    }),
  )
  const deleting = new Set<FolderNode>()
  for (const step of loose.toReversed()) {
    const folder = deletesIn(step)
    if (folder === undefined) continue
    if (chosen.has(step)) deleting.add(folder)
    else if (deleting.has(folder)) chosen.add(step)
  }
  return steps.filter(step => step.kept || chosen.has(step))
}

/** The folder in which a step does nothing but delete. */
function deletesIn({ changes: [first, ...others] }: Step): FolderNode | undefined {
  return first !== undefined && others.length === 0 && first.node === undefined ? first.folder : undefined
}

/** The bytes of a file that a loss leaves. */
export function lose(file: FileNode, loss: ContentLoss, random: Random): Buffer {
  const { content, durable, loose } = file
  if (loose.length === 0 || loss === 'everything') return content
  if (loss === 'nothing') return durable
  if (loss === 'mixed')
    return lose(file, (['nothing', 'half', 'zeros', 'everything'] as const)[random(4)] ?? 'half', random)
  let same = 0
  while (same < content.length && same < durable.length && content[same] === durable[same]) same += 1
  if (loss === 'half') return content.subarray(0, same + Math.ceil((content.length - same) / 2))
  return Buffer.concat([content.subarray(0, same), Buffer.alloc(content.length - same)])
}
