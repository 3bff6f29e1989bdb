import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { dead, external, repository, resolve, route, slug } from './links.mjs'
import { sections, sidebar, title } from './navigation.mjs'

// tree writes files into a folder of its own, which goes with the test.
function tree(t, files) {
  const root = mkdtempSync(join(tmpdir(), 'site-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

test('anchors are those of a code host', () => {
  for (const [heading, want] of [
    ['How it works', 'how-it-works'], ['`spec.pods`: all', 'specpods-all'], ['A  b', 'a--b'], ['users’ “x” & y', 'users-x--y'],
    ['snake_case', 'snake_case'], ['Über', 'über'], ['', ''],
  ]) assert.equal(slug(heading), want)
})

test('a link leads to the same page on the site as on a code host', (t) => {
  const root = tree(t, { 'docs/README.md': '', 'docs/a.md': '', 'docs/runbooks/README.md': '', 'docs/runbooks/B.md': '', 'docs/decisions/1.md': '',
    'docs/openapi.yaml': '', 'CHANGELOG.md': '', 'clients/web/x': '' })
  for (const [page, href, want] of [
    ['README.md', 'a.md', '/a.html'], ['README.md', './a.md#x', '/a.html#x'], ['runbooks/B.md', '../a.md', '/a.html'],
    ['a.md', 'README.md', '/index.html'], ['a.md', 'runbooks/README.md#b', '/runbooks/index.html#b'], ['a.md', 'runbooks', '/runbooks/index.html'],
    ['a.md', '#here', '#here'], ['a.md', 'openapi.yaml', '/openapi.yaml'], ['a.md', 'https://example.com/x', 'https://example.com/x'],
    ['a.md', '../CHANGELOG.md', repository + '/blob/main/CHANGELOG.md'], ['a.md', '../clients/web', repository + '/tree/main/clients/web'],
    ['a.md', 'decisions', repository + '/tree/main/docs/decisions'],
  ]) assert.equal(resolve(root, page, href), want, `${page} ${href}`)
  for (const href of ['gone.md', '../../outside', '/a.md', 'runbooks/gone.md#x', 'a.md/x']) {
    assert.throws(() => resolve(root, 'a.md', href), /dead|leaves the repository/, href)
  }
})

test('a dead link and a dead anchor are found in what was built, and nothing else', () => {
  const pages = new Map([
    ['/index.html', '<a href="/a.html#x">a</a> <a class="b" href="/openapi.yaml">o</a> <a href="https://example.com/?a&amp;b">e</a> <a href="/">i</a>'],
    ['/a.html', '<h2 id="x">x</h2> <a href="#x">x</a> <a href="index.html">i</a>'],
  ])
  assert.deepEqual(dead(pages, new Set(['/openapi.yaml'])), [])
  assert.deepEqual(external(pages), ['https://example.com/?a&b'])
  pages.set('/b.html', '<a href="/gone.html">g</a> <a href="/a.html#y">y</a> <a href="#z">z</a> <a href="/gone.yaml">f</a>')
  assert.deepEqual(dead(pages, new Set()).length, 5, 'openapi.yaml is gone, too')
  assert.match(dead(pages, new Set(['/openapi.yaml'])).join('\n'), /has no anchor y[^]*has no anchor z|has no anchor z[^]*has no anchor y/)
})

test('with a base, links outside of it are dead', () => {
  const pages = new Map([['/index.html', '<a href="/docs/index.html">i</a> <a href="/index.html">o</a>']])
  assert.deepEqual(dead(pages, new Set(), '/docs/'), ['/index.html: /index.html is outside of /docs/'])
})

test('the navigation is the table of the page by role', (t) => {
  const index = '# All\n\n## One\n\n| page | content |\n|---|---|\n| [a.md](a.md), [c](../c.md) | see [b](b.md) |\n\n## Two\n\n| [b.md](b.md#x) | |\n'
  assert.deepEqual(sections(index), [{ text: 'One', pages: ['a.md'] }, { text: 'Two', pages: ['b.md'] }])
  const files = { 'docs/README.md': index, 'docs/a.md': '# `A`\n', 'docs/b.md': '# B\n', 'docs/runbooks/X.md': '# X\n' }
  assert.deepEqual(sidebar(join(tree(t, files), 'docs')).map((g) => [g.text, g.items.map((i) => i.text + ' ' + i.link)]), [
    ['One', ['A /a.html']], ['Two', ['B /b.html']], ['Runbooks', ['X /runbooks/X.html']],
  ])
  assert.throws(() => sidebar(join(tree(t, { ...files, 'docs/lost.md': '# L\n' }), 'docs')), /docs\/lost.md is not in docs\/README.md/)
  assert.throws(() => sidebar(join(tree(t, { ...files, 'docs/a.md': 'text' }), 'docs')), /has no heading/)
  assert.equal(route('runbooks/README.md'), '/runbooks/index.html')
  assert.throws(() => title(''), /no heading/)
})
