//go:build !e2e

package e2e

import "testing"

func TestEndToEnd(t *testing.T) {
	t.Skip("needs a cluster, and makes one: run `make e2e` (go test -tags e2e ./test/e2e/...)")
}
