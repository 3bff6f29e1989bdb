package site

import (
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/test/web/browser"
)

// folder is where `make docs` writes the site.
var folder = filepath.Join("..", "..", "..", "dist", "site")

// soon bounds the wait for one thing on a page.
const soon = time.Minute

// visitor is a browser on the site.
type visitor struct {
	*WithT
	ctx context.Context //nolint:containedctx // chromedp's handle of a page is a context
	url string

	mu       sync.Mutex
	console  []string // errors and exceptions
	requests []string // to other hosts than the site's
}

// pages returns the paths of all pages.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".html") && entry.Name() != "404.html" {
			name, _ := filepath.Rel(folder, path)
			all = append(all, "/"+filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatalf("reading the site: %v: run `make test-docs`, which builds it", err)
	}
	return all
}

func visit(t *testing.T) *visitor {
	t.Helper()
	if _, err := os.Stat(folder); err != nil {
		t.Fatalf("reading the site: %v: run `make test-docs`, which builds it", err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	v := &visitor{WithT: NewWithT(t), ctx: browser.Start(ctx, t), url: server.URL}
	chromedp.ListenTarget(v.ctx, v.hear)
	// The first run starts the browser, which lives as long as the context of this run.
	v.Expect(chromedp.Run(v.ctx, network.Enable())).To(Succeed())
	return v
}

// hear collects complaints of the page, and requests that leave the site.
func (v *visitor) hear(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		v.console = append(v.console, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			v.console = append(v.console, string(e.Type))
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, v.url+"/") && !strings.HasPrefix(e.Request.URL, "data:") {
			v.requests = append(v.requests, e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= http.StatusBadRequest {
			v.console = append(v.console, e.Response.URL+" is not there")
		}
	}
}

func (v *visitor) do(actions ...chromedp.Action) {
	ctx, cancel := context.WithTimeout(v.ctx, soon)
	defer cancel()
	v.ExpectWithOffset(1, chromedp.Run(ctx, actions...)).To(Succeed())
}

// get evaluates an expression in the page.
func get[T any](v *visitor, expression string) T {
	var out T
	v.do(chromedp.Evaluate(expression, &out))
	return out
}

// open shows a page and waits until its program runs. A fresh document each time: nothing of the page before is left.
func (v *visitor) open(path string) {
	v.do(chromedp.Navigate(v.url + path))
	v.EventuallyWithOffset(1, func() bool {
		return get[bool](v, `!!document.querySelector("#app")?.__vue_app__ && !!document.querySelector(".vp-doc h1")`)
	}).WithTimeout(soon).Should(BeTrue(), path)
}

// clean expects that nothing was complained of and no other host was asked.
func (v *visitor) clean(path string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.Expect(v.console).To(BeEmpty(), path)
	v.Expect(v.requests).To(BeEmpty(), path)
}

// wider returns what reaches out of the window sideways, outside of boxes that scroll by themselves. The window's own width is no measure:
// a browser of a phone zooms out until a wide page fits.
const wider = `(() => {
	const screen = document.documentElement.clientWidth;
	const scrolls = (e) => { for (; e; e = e.parentElement) if (/auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX)) return true };
	const all = [...document.querySelectorAll(".vp-doc *, .VPNav, .VPFooter")];
	const out = all.filter((e) => e.getBoundingClientRect().right > screen + 1 && !scrolls(e));
	const page = document.documentElement.scrollWidth > screen ? ["the page is " + document.documentElement.scrollWidth + " wide"] : [];
	return page.concat(out.slice(0, 3).map((e) => e.tagName + ": " + e.textContent.slice(0, 60)));
})()`

func TestEveryPageFitsAPhone(t *testing.T) {
	v := visit(t)
	v.do(emulation.SetDeviceMetricsOverride(390, 844, 2, true))
	all := pages(t)
	v.Expect(len(all)).To(BeNumerically(">", 100))
	for _, path := range all {
		v.open(path)
		v.Expect(get[[]string](v, wider)).To(BeEmpty(), path)
		v.clean(path)
	}
	// The check finds what does not fit.
	v.do(chromedp.Evaluate(`document.querySelector(".vp-doc h1").style.width = "800px"`, nil))
	v.Expect(get[[]string](v, wider)).NotTo(BeEmpty())
}

func TestLightAndDarkDiffer(t *testing.T) {
	v := visit(t)
	colours := func(scheme string) []string {
		v.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		v.open("/network.html")
		return get[[]string](v, `[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector(".vp-doc h1")).color]`)
	}
	light, dark := colours("light"), colours("dark")
	v.Expect(light[0]).NotTo(Equal(dark[0]), "the background")
	v.Expect(light[1]).NotTo(Equal(dark[1]), "the text")
	v.clean("/network.html")
}

func TestTheSearchFindsAWordWithoutAServer(t *testing.T) {
	v := visit(t)
	v.open("/index.html")
	v.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(2))) // Ctrl
	v.do(chromedp.WaitVisible("#localsearch-input", chromedp.ByQuery),
		chromedp.SendKeys("#localsearch-input", "UnauthenticatedMetrics", chromedp.ByQuery))
	links := func() []string {
		return get[[]string](v, `[...document.querySelectorAll("a.result")].map((a) => a.getAttribute("href"))`)
	}
	v.Eventually(links).WithTimeout(soon).Should(ContainElement(ContainSubstring("connections")))
	v.do(chromedp.KeyEvent(kb.Enter))
	v.Eventually(func() string { return get[string](v, "location.pathname") }).WithTimeout(soon).ShouldNot(Equal("/index.html"))
	v.do(chromedp.WaitVisible(".vp-doc h1", chromedp.ByQuery))
	v.clean("the search")
}

// Each page of the navigation is reached by the keyboard: Tab leads to its link, and Enter follows the link.
func TestTheNavigationWorksByKeyboard(t *testing.T) {
	v := visit(t)
	v.open("/index.html")
	for range 80 {
		v.do(chromedp.KeyEvent(kb.Tab))
		if strings.HasSuffix(get[string](v, `document.activeElement.getAttribute("href") ?? ""`), "/login.html") {
			break
		}
	}
	v.Expect(get[string](v, `document.activeElement.getAttribute("href") ?? ""`)).To(HaveSuffix("/login.html"))
	v.Expect(get[bool](v, `document.activeElement.matches(":focus-visible")`)).To(BeTrue(), "the reader sees where the focus is")
	v.do(chromedp.KeyEvent(kb.Enter))
	v.Eventually(func() string { return get[string](v, "location.pathname") }).WithTimeout(soon).Should(Equal("/login.html"))
	v.clean("/login.html")
	v.Expect(slices.Contains(pages(t), "/login.html")).To(BeTrue())
}
