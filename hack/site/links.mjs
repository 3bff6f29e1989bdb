// Where links of the pages lead. Pure, apart from the look whether a file exists.
import { existsSync, statSync } from 'node:fs'
import { posix } from 'node:path'

// Files outside of docs are shown by the code host.
export const repository = 'https://github.com/openimstack/openim-operator'

// slug returns the anchor of a heading as code hosts make it: lower case, punctuation removed, each space a hyphen.
export function slug(heading) {
  return heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, '').replaceAll(' ', '-')
}

// route returns the path of a page of docs on the site: network.md is network.html, and a README.md is the index of its folder.
export function route(page) {
  return '/' + page.replace(/(^|\/)README\.md$/, '$1index.html').replace(/\.md$/, '.html')
}

// isExternal reports whether a link leaves the repository.
export function isExternal(href) {
  return /^[a-z][a-z0-9+.-]*:|^\/\//i.test(href)
}

// resolve returns where a link of a page leads on the site. root is the repository's folder, page the page's path below docs.
export function resolve(root, page, href) {
  if (isExternal(href) || href.startsWith('#')) return href
  const [path, anchor] = href.split('#', 2)
  const file = posix.normalize(posix.join('docs', posix.dirname(page), decodeURI(path)))
  if (path.startsWith('/') || file.startsWith('..')) {
    throw new Error(`docs/${page}: the link ${href} leaves the repository: write a relative path`)
  }
  if (!existsSync(posix.join(root, file))) throw new Error(`docs/${page}: the link ${href} is dead: there is no ${file}`)
  const hash = anchor ? '#' + anchor : ''
  const folder = statSync(posix.join(root, file)).isDirectory()
  if (!file.startsWith('docs/')) return `${repository}/${folder ? 'tree' : 'blob'}/main/${file}${hash}`
  const below = file.slice('docs/'.length).replace(/\/$/, '')
  if (!folder) return below.endsWith('.md') ? route(below) + hash : '/' + below
  if (existsSync(posix.join(root, file, 'README.md'))) return route(below + '/README.md') + hash
  return `${repository}/tree/main/${file}`
}

// dead returns the links and anchors of pages that lead nowhere on the site. pages maps paths such as /network.html to their HTML,
// and files are the paths of what is not a page.
export function dead(pages, files, base = '/') {
  const found = []
  const ids = new Map()
  for (const [path, html] of pages) ids.set(path, new Set([...html.matchAll(/\sid="([^"]+)"/g)].map((m) => text(m[1]))))
  for (const [path, html] of pages) {
    for (const [, raw] of html.matchAll(/<a\s[^>]*?href="([^"]*)"/g)) {
      const href = text(raw)
      if (isExternal(href)) continue
      const url = new URL(href, 'http://site' + base.replace(/\/$/, '') + path)
      let target = decodeURI(url.pathname)
      if (!target.startsWith(base)) {
        found.push(`${path}: ${href} is outside of ${base}`)
        continue
      }
      target = '/' + target.slice(base.length)
      if (target.endsWith('/')) target += 'index.html'
      const anchor = decodeURIComponent(url.hash.slice(1))
      if (files.has(target)) continue
      if (!ids.has(target)) found.push(`${path}: ${href} is dead: the site has no ${target}`)
      else if (anchor && !ids.get(target).has(anchor)) found.push(`${path}: ${href} is dead: ${target} has no anchor ${anchor}`)
    }
  }
  return [...new Set(found)].sort()
}

// external returns the addresses outside of the site that pages link to, sorted.
export function external(pages) {
  const all = new Set()
  for (const html of pages.values()) {
    for (const [, href] of html.matchAll(/<a\s[^>]*?href="([^"]*)"/g)) if (isExternal(text(href))) all.add(text(href))
  }
  return [...all].sort()
}

function text(html) {
  return html.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
