import type { WriteStream } from 'node:tty'
import type { Digest } from '../oci/digest.ts'
import type { OnProgress, ProgressEvent } from '../progress.ts'
import { count, formatBytes, printable, shortDigest } from './format.ts'

/** Shows progress on stderr: a bar per blob on a terminal, a line now and then elsewhere. */
export interface ProgressView {
  readonly onProgress: OnProgress
  /** Prints something else without tearing the bars. */
  write(print: () => void): void
  /** Removes the bars. */
  end(): void
}

interface Bar {
  readonly repository: string
  readonly size: number
  bytes: number
}

/** Milliseconds between two drawings on a terminal, and between two lines elsewhere. */
const REDRAW = 100
const LINE = 10_000
/** Bars at once; more are counted. */
const MOST_BARS = 8

/** Creates a view on a stream; bars only on a terminal that can move its cursor, and not in CI. */
export function createProgressView(
  stream: NodeJS.WriteStream | WriteStream,
  { quiet }: { readonly quiet: boolean },
): ProgressView {
  const bars = new Map<Digest, Bar>()
  const moving = !quiet && stream.isTTY === true && process.env['TERM'] !== 'dumb' && (process.env['CI'] ?? '') === ''
  let drawn = 0
  let fetched = 0
  let total = 0
  let timer: NodeJS.Timeout | undefined
  let lastLine = Date.now()

  const erase = (): void => {
    if (drawn > 0) stream.write(`\u001b[${drawn}A\u001b[0J`)
    drawn = 0
  }
  const draw = (): void => {
    erase()
    const lines = [...bars].slice(0, MOST_BARS).map(([digest, bar]) => formatBar(digest, bar, stream.columns || 80))
    if (bars.size > MOST_BARS) lines.push(`  and ${bars.size - MOST_BARS} more`)
    for (const line of lines) stream.write(`${line}\n`)
    drawn = lines.length
  }
  const start = (): void => {
    if (moving && timer === undefined) timer = setInterval(draw, REDRAW).unref()
  }
  const tell = (line: string): void => {
    if (quiet) return
    erase()
    stream.write(`${printable(line)}\n`)
  }
  const tellNow = (): void => {
    if (moving || quiet || Date.now() - lastLine < LINE) return
    lastLine = Date.now()
    stream.write(`${formatBytes(fetched)} of ${formatBytes(total)} so far, ${count(bars.size, 'blob')} under way\n`)
  }
  const onProgress = (event: ProgressEvent): void => {
    switch (event.type) {
      case 'blob-start':
        bars.set(event.digest, { repository: event.repository, size: event.size, bytes: event.offset })
        total += event.size
        fetched += event.offset
        start()
        return
      case 'blob-bytes': {
        const bar = bars.get(event.digest)
        if (bar !== undefined) bar.bytes += event.bytes
        fetched += event.bytes
        tellNow()
        return
      }
      case 'blob-done':
      case 'blob-failed':
        bars.delete(event.digest)
        return
      case 'retry':
        tell(`${event.what}: ${event.reason}; trying again${formatDelay(event.delay)}`)
        return
      case 'note':
        tell(event.text)
        return
      case 'manifest-done':
      case 'tag-done':
        return
    }
  }
  return {
    onProgress,
    write: print => {
      erase()
      print()
    },
    end: () => {
      clearInterval(timer)
      timer = undefined
      erase()
      bars.clear()
    },
  }
}

/** Nothing for a pause that nobody notices. */
function formatDelay(milliseconds: number): string {
  return milliseconds < 50 ? '' : ` in ${Math.round(milliseconds / 100) / 10} s`
}

function formatBar(digest: Digest, { repository, size, bytes }: Bar, columns: number): string {
  const width = 24
  const share = size === 0 ? 1 : Math.min(1, Math.max(0, bytes / size))
  const filled = Math.round(share * width)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`
  return `${shortDigest(digest).replace(/^sha\d+:/, '')} ${bar} ${formatBytes(bytes).padStart(8)} of ${formatBytes(size)}  ${repository}`.slice(
    0,
    Math.max(20, columns - 1),
  )
}
