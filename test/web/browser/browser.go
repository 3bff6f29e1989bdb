package browser

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Start starts a Chromium and returns chromedp's handle of its first page. The browser ends with the test, and its profile is removed.
func Start(ctx context.Context, t *testing.T) context.Context {
	t.Helper()
	// Not t.TempDir: children of the browser may write there a moment longer, and that would fail the test.
	profile, err := os.MkdirTemp("", "openim-web-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(2*time.Minute))
	allocator, cancel := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	page, stop := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // events that cdproto does not know yet
	t.Cleanup(func() {
		_ = chromedp.Cancel(page)
		stop()
	})
	return page
}
