// Package site tests the static site of docs/ in a real Chromium, served by a plain file server. `make test-docs` builds the site before.
package site
