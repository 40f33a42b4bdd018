import { describe, expect, test } from 'vitest'
import { answerOf, headersFor, parseHeaders, parseRedirects, type Site } from './netlify-rules.ts'

describe('header rules', () => {
  const rules = parseHeaders(`# pages
/pages/start.html
  X-Frame-Options: DENY
  X-Note: a: b
# all
/*
  X-Robots-Tag: none
/people/:name/photo
  Cache-Control: no-store
/archive/*
  X-Old: yes
`)

  test.for([
    ['/', { 'x-robots-tag': 'none' }],
    ['/pages/start.html', { 'x-frame-options': 'DENY', 'x-note': 'a: b', 'x-robots-tag': 'none' }],
    ['/Pages/START.html', { 'x-frame-options': 'DENY', 'x-note': 'a: b', 'x-robots-tag': 'none' }],
    ['/people/ann/photo', { 'cache-control': 'no-store', 'x-robots-tag': 'none' }],
    ['/people/ann/bob/photo', { 'x-robots-tag': 'none' }],
    ['/archive/2019/12', { 'x-old': 'yes', 'x-robots-tag': 'none' }],
  ] as const)('at %s', ([path, headers]) => {
    expect(headersFor(rules, path)).toEqual(headers)
  })

  test('that say different things at one path are an error', () => {
    const twice = parseHeaders('/a\n  X-Note: 1\n/*\n  x-note: 2\n')
    expect(() => headersFor(twice, '/a')).toThrow('two rules')
    expect(headersFor(twice, '/b')).toEqual({ 'x-note': '2' })
  })

  test('that set what no rule may set are an error', () => {
    expect(() => headersFor(parseHeaders('/a\n  Content-Length: 1\n'), '/a')).toThrow('not for rules')
  })

  test.for(['  X-Note: 1\n', '/a\n  nonsense\n'])('%j is an error', text => {
    expect(() => parseHeaders(text)).toThrow('not a header')
  })
})

describe('redirects', () => {
  const site: Site = {
    headers: '/old/one\n  X-Asked: yes\n/new/one\n  X-Rewritten: yes\n',
    redirects: `/old/one /never 200
/old/* /new/:splat 200
/never /new/one 404
/swap/:a/:b /new/:b/:a 200
/forced /new/one 200!
/gone /new/one 404
`,
    files: new Set([
      '/old/one',
      '/old/both',
      '/new/one',
      '/new/both',
      '/new/x/y',
      '/forced',
      '/page.html',
      '/404.html',
    ]),
  }

  test.for([
    ['/old/one', 200, '/old/one'],
    ['/old/both', 200, '/old/both'],
    ['/old/x/y', 200, '/new/x/y'],
    ['/old/x/Y', 404, '/404.html'],
    ['/Old/x/y', 404, '/404.html'],
    ['/swap/y/x', 200, '/new/x/y'],
    ['/swap/y/x/', 200, '/new/x/y'],
    ['/swap/y', 404, '/404.html'],
    ['/forced', 200, '/new/one'],
    ['/gone', 404, '/new/one'],
    ['/page', 200, '/page.html'],
    ['/nothing', 404, '/404.html'],
  ] as const)('%s is %i with %s', ([path, status, file]) => {
    expect(answerOf(site, path, 'asked')).toMatchObject({ status, file })
  })

  test('the first rule that matches is the one', () => {
    const other = { ...site, files: new Set(['/new/one', '/404.html']) }
    expect(answerOf(other, '/old/one', 'asked')).toMatchObject({ status: 404, file: '/404.html' })
  })

  test('headers are those of the path that is asked for, or of the rewritten one', () => {
    const other = { ...site, redirects: '/old/* /new/:splat 200', files: new Set(['/new/one']) }
    expect(answerOf(other, '/old/one', 'asked').headers).toEqual({ 'x-asked': 'yes' })
    expect(answerOf(other, '/old/one', 'rewritten').headers).toEqual({ 'x-rewritten': 'yes' })
  })

  test('without a page for what is missing there is none', () => {
    expect(answerOf({ ...site, files: new Set() }, '/nothing', 'asked')).toMatchObject({ status: 404, file: undefined })
  })

  test('a status that is left out is 301', () => {
    expect(parseRedirects('/a /b')).toEqual([{ from: '/a', to: '/b', status: 301, force: false }])
  })

  test.for(['/a', 'a /b', '/a b 200', '/a /b 200x', '/a /b 200 Country=de'])('%j is an error', text => {
    expect(() => parseRedirects(text)).toThrow('not a redirect')
  })
})
