// Package docpage replaces the generated part of a page that people write, between two marks. Generators of docs/ share it.
package docpage
