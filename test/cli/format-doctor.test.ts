import { expect, test } from 'vitest'
import { formatReport } from '../../src/cli/format-doctor.ts'
import { fixOf } from '../../src/doctor/fixes.ts'
import type { DoctorReport } from '../../src/doctor/report.ts'

/* How a report looks in a terminal. */

test('a rule of several lines is a block below the sentence that says where it belongs', () => {
  expect(linesFrom('→', fixOf('version', 'apache'))).toEqual([
    '  → in the site, where v2/index.json is there (registrish emit --host apache writes that rule):',
    '      <Location "/v2/">',
    '        DirectoryIndex index.json',
    '      </Location>',
  ])
})

test('a rule of one line follows its sentence', () => {
  expect(linesFrom('→', fixOf('encoding', 'cloudfront'))).toEqual(['  → in the behaviour: Compress: false'])
})

function linesFrom(mark: string, fix: string): readonly string[] {
  const report: DoctorReport = {
    url: 'https://registry.example.com',
    checks: [{ check: 'version', outcome: 'caveat', text: 'it is wrong', clients: {}, fix }],
    clients: [],
  }
  const lines = [...formatReport(report)]
  const start = lines.findIndex(line => line.includes(mark))
  return lines.slice(start, lines.indexOf('', start))
}
