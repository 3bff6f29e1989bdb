// The theme of VitePress, without its fonts: the system's are used.
import theme from 'vitepress/theme-without-fonts'
import './site.css'

export default theme
