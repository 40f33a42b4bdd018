/**
 * Says lines, but at most `most` in any second, and how many it left out when the next one comes: whoever can make a server complain shall not be able
 * to fill the disk its log is on.
 */
export function limitLines(say: (line: string) => void, most: number = 20): (line: string) => void {
  let began = Number.NEGATIVE_INFINITY
  let said = 0
  let omitted = 0
  return line => {
    const now = performance.now()
    if (now - began >= 1000) {
      if (omitted > 0) say(`(${omitted} more of the kind left out)`)
      began = now
      said = 0
      omitted = 0
    }
    if (said < most) say(line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line)
    else omitted += 1
    said += 1
  }
}

/** Characters of a line: targets of requests may have tens of thousands. */
const LONGEST = 1000
