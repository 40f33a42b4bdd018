import { parseDirectoryTarget } from '../../deploy/directory/target.ts'
import { textOr } from '../arguments.ts'
import type { TargetKind } from './target.ts'

/** Folders of this machine, or of a disk that is mounted here. */
export const directory: TargetKind = {
  flags: [
    {
      name: 'dir',
      type: 'string',
      value: 'FOLDER',
      describe: 'folder that a web server serves: it becomes a registry of files like the one below --root',
    },
  ],
  parse(text, args) {
    const folder = parseDirectoryTarget(text, textOr(args, 'root', '.'))
    return {
      kind: 'store',
      flags: `--dir ${text}`,
      notes: [],
      setup: `registrish emit --root ${text}`,
      folder,
      async open() {
        const { openDirectoryStore } = await import('../../deploy/directory/store.ts')
        return openDirectoryStore(folder)
      },
    }
  },
}
