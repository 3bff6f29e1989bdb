// The navigation, derived from the tables of docs/README.md and from the folders of docs.
import { readFileSync, readdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import { route } from './links.mjs'

// title returns a page's first heading, without marks of code.
export function title(markdown) {
  const found = markdown.match(/^# (.+)$/m)
  if (!found) throw new Error('a page has no heading: begin it with "# "')
  return found[1].replaceAll('`', '')
}

// sections returns the headings of the page by role, each with the pages below docs that its table links to.
export function sections(markdown) {
  const all = []
  for (const line of markdown.split('\n')) {
    if (line.startsWith('## ')) all.push({ text: line.slice(3), pages: [] })
    const cell = line.match(/^\|([^|]*)\|/)
    if (!cell || all.length === 0) continue
    for (const [, href] of cell[1].matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (href.endsWith('.md') && !href.startsWith('..')) all.at(-1).pages.push(posix.normalize(href))
    }
  }
  return all
}

// pagesBelow returns all pages of docs.
export function pagesBelow(docs) {
  return readdirSync(docs, { recursive: true }).map((f) => f.replaceAll('\\', '/')).filter((f) => f.endsWith('.md')).sort()
}

// sidebar returns the groups of the navigation. A page that nothing leads to is an error.
export function sidebar(docs) {
  const read = (page) => readFileSync(join(docs, page), 'utf8')
  const entry = (page) => ({ text: title(read(page)), link: route(page) })
  const roles = sections(read('README.md'))
  const groups = roles.map((s) => ({ text: s.text, collapsed: false, items: s.pages.map(entry) }))
  const listed = new Set(['README.md', ...roles.flatMap((s) => s.pages)])
  const folders = new Map()
  for (const page of pagesBelow(docs).filter((p) => !listed.has(p))) {
    const folder = posix.dirname(page)
    if (folder === '.' || folder === 'reference') throw new Error(`docs/${page} is not in docs/README.md: add it to the table of its readers`)
    folders.set(folder, [...(folders.get(folder) ?? []), page])
  }
  for (const [folder, pages] of folders) {
    groups.push({ text: folder[0].toUpperCase() + folder.slice(1), collapsed: true, items: pages.map(entry) })
  }
  return groups
}
