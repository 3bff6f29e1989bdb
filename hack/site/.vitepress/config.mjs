// Makes the site of docs/: pages stay as they are, and links, anchors and navigation are derived from them.
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { dead, external, repository, resolve, slug } from '../links.mjs'
import { sidebar } from '../navigation.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const docs = join(root, 'docs')
const pages = join(root, 'hack', 'site', 'pages')
const out = join(root, 'dist', 'site')
const base = process.env.DOCS_BASE || '/'

// filesOf returns the files below a folder with an ending, as paths that begin with a slash.
function filesOf(folder, ends) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((f) => f.isFile() && ends(f.name))
    .map((f) => join(f.parentPath, f.name).slice(folder.length).replaceAll('\\', '/')).sort()
}

// rewriteLinks gives each link the target that it has on the site, and lets tables be scrolled by the keyboard.
function rewriteLinks(md) {
  md.core.ruler.after('inline', 'site-links', (state) => {
    for (const token of state.tokens) {
      if (token.type === 'fence' && token.info === 'promql') token.info = 'txt' // the highlighter has no such language
      if (token.type === 'table_open') token.attrSet('tabindex', '0')
      for (const child of token.children ?? []) {
        if (child.type === 'link_open') child.attrSet('href', resolve(root, pageOf(state.env), child.attrGet('href')))
      }
    }
  })
}

// pageOf returns the path of the page below docs.
function pageOf(env) {
  return (env.realPath ?? env.path).slice(pages.length + 1).replaceAll('\\', '/')
}

// The pages are built from a copy: they import Vue, which is found from this folder alone.
rmSync(pages, { recursive: true, force: true })
cpSync(docs, pages, { recursive: true })

export default defineConfig({
  title: 'openim-operator',
  description: 'OpenIM on Kubernetes, behind an authenticating wrapper and a network lockdown',
  lang: 'en',
  base,
  head: [['link', { rel: 'icon', href: 'data:,' }]], // none, so that browsers ask for none
  srcDir: pages,
  outDir: out,
  cacheDir: join(root, 'dist', 'site-cache'),
  rewrites: (page) => page.replace(/(^|\/)README\.md$/, '$1index.md'),
  markdown: { anchor: { slugify: slug }, config: rewriteLinks },
  themeConfig: {
    sidebar: sidebar(docs),
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    docFooter: { prev: false, next: false },
  },
  // What is no page, such as openapi.yaml, is part of the site as it is. Then every link of every page is looked up in the result.
  buildEnd() {
    for (const file of filesOf(docs, (name) => !name.endsWith('.md'))) {
      mkdirSync(dirname(join(out, file)), { recursive: true })
      copyFileSync(join(docs, file), join(out, file))
    }
    const html = new Map(filesOf(out, (name) => name.endsWith('.html')).map((p) => [p, readFileSync(join(out, p), 'utf8')]))
    html.delete('/404.html')
    const missing = dead(html, new Set(filesOf(out, (name) => !name.endsWith('.html'))), base)
    if (missing.length > 0) throw new Error(`${missing.length} links are dead:\n${missing.join('\n')}`)
    const outside = external(html)
    writeFileSync(join(root, 'dist', 'site-external.txt'), outside.join('\n') + '\n')
    console.log(`docs: ${html.size} pages, no dead link; ${outside.length} addresses elsewhere are listed in dist/site-external.txt, and not tried`)
  },
})
