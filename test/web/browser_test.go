package web

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/openimstack/openim-operator/test/web/browser"
)

// tab is a page in a separate Chromium, whose profile is removed with the test.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp's handle of a page is a context

	mu         sync.Mutex
	complaints []string
}

// open shows a page.
func open(t *testing.T, url string) *tab {
	t.Helper()
	ctx := browser.Start(bounded(t), t)
	p := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page says %q, and the console:\n%s", p.text("body"), strings.Join(p.said(), "\n"))
		}
	})
	chromedp.ListenTarget(ctx, func(event any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			p.complaints = append(p.complaints, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			for _, arg := range e.Args {
				p.complaints = append(p.complaints, fmt.Sprintf("%s: %s %s", e.Type, arg.Value, arg.Description))
			}
		}
	})
	p.do(chromedp.Navigate(url))
	return p
}

func (p *tab) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.complaints...)
}

func (p *tab) do(actions ...chromedp.Action) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// run evaluates an expression in the page and waits for a promise.
func (p *tab) run(expression string, out any) {
	p.t.Helper()
	p.do(chromedp.Evaluate(expression, out, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
}

// fill types into a field.
func (p *tab) fill(selector, text string) {
	p.t.Helper()
	p.run(fmt.Sprintf(`document.querySelector(%q).value = ""`, selector), nil)
	p.do(chromedp.SendKeys(selector, text, chromedp.ByQuery))
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(selector+":not(:disabled)", chromedp.ByQuery, chromedp.NodeVisible))
}

// await waits for an element.
func (p *tab) await(selector string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, soon)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.WaitVisible(selector, chromedp.ByQuery)); err != nil {
		p.t.Fatalf("%s does not show: %v; the page says %q", selector, err, p.text("body"))
	}
}

// awaitText waits until an element has a text. chromedp's own polling compiles functions from text, which the page's policy forbids.
func (p *tab) awaitText(selector, text string) {
	p.t.Helper()
	expression := fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%q))`, selector, text)
	for begun := time.Now(); ; {
		var found bool
		p.run(expression, &found)
		if found {
			return
		}
		if time.Since(begun) > soon {
			p.t.Fatalf("%q does not show in %s; the page says %q", text, selector, p.text("body"))
		}
		p.do(chromedp.Sleep(20 * time.Millisecond))
	}
}

func (p *tab) text(selector string) string {
	var text string
	ctx, cancel := context.WithTimeout(p.ctx, soon)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector), &text))
	return text
}
