package serve

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
)

// browser starts Chromium without a window. complaints returns errors and violations of the
// Content-Security-Policy.
func browser(t *testing.T) (ctx context.Context, complaints func() []string) {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Skip("no Chromium (Debian's package chromium)")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	said := make(chan string, 100)
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			said <- e.Entry.Text
		case *runtime.EventExceptionThrown:
			said <- e.ExceptionDetails.Text
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, func() (all []string) {
		for len(said) > 0 {
			all = append(all, <-said)
		}
		return all
	}
}

// TestPageInBrowser opens the page in Chromium, chooses and drops images, and takes a sample.
func TestPageInBrowser(t *testing.T) {
	ctx, complaints := browser(t)
	s, want := newTestServer(t), classifytest.Probabilities(t, 0, 3)
	address, _ := listen(t, s)
	var files []string
	for i := range 3 {
		files = append(files, clitest.Put(t, classifytest.PNG(t, i), t.TempDir(), fmt.Sprintf("image %d.png", i)))
	}
	text := clitest.Put(t, []byte("hello"), t.TempDir(), "text.png")

	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	// card waits for card n, counted from the newest, and returns its class, its name and its bars.
	card := func(n int) (first, name string, bars []string) {
		t.Helper()
		texts, err := chromedp.Run(ctx, chromedp.Poll[[]string](fmt.Sprintf(`(() => {
			const card = document.querySelector('#results > .card:nth-child(%d)[aria-busy="false"]');
			return card && [...card.querySelectorAll(".first, .name, .bars > li")].map(e => e.textContent.trim());
		})()`, n)))
		if err != nil || len(texts) < 2 {
			t.Fatal(texts, err)
		}
		return texts[0], texts[1], texts[2:]
	}
	check := func(n, image int) {
		t.Helper()
		first, name, bars := card(n)
		class := classifytest.Shapes().Classes[slices.Index(want[image], slices.Max(want[image]))]
		bar := fmt.Sprintf("%s%.1f %%", class, 100*slices.Max(want[image]))
		if first != class || name != filepath.Base(files[image]) || len(bars) != 5 || bars[0] != bar {
			t.Errorf("%q of %q, %q; want %q", first, name, bars, bar)
		}
	}

	do(chromedp.Navigate("http://"+address), chromedp.SetUploadFiles("#files", files[:1]))
	check(1, 0)
	do(chromedp.Evaluate[chromedp.Void](drop(t, files[1])))
	check(1, 1)
	check(2, 0)
	do(chromedp.SetUploadFiles("#files", []string{text}))
	if first, name, _ := card(1); !strings.Contains(first, "not an image") || name != "text.png" {
		t.Errorf("%q of %q, want the error", first, name)
	}
	// The browser logs the error status of this answer.
	if said := complaints(); len(said) != 1 || !strings.Contains(said[0], "415") {
		t.Errorf("Chromium says %q, want one error", said)
	}

	// With the keyboard: the third sample is the third stop after the field for files.
	do(chromedp.Focus("#files"), chromedp.KeyEvent("\t\t\t"), chromedp.KeyEvent("\r"))
	card(4)
	if _, name, bars := card(1); name != classifytest.Shapes().Classes[2] || len(bars) != 5 {
		t.Errorf("sample %q with %q", name, bars)
	}
	status, err := chromedp.Run(ctx, chromedp.TextContent("#status"))
	if err != nil {
		t.Fatal(err)
	}
	if first, name, _ := card(1); !strings.HasPrefix(status, name+": "+first) {
		t.Errorf("a screen reader hears %q of %s, %s", status, name, first)
	}
	if said := complaints(); len(said) > 0 {
		t.Errorf("Chromium says %q", said)
	}
	screenshots(t, ctx, "serve")
}

// drop returns a script that drops a file on the page.
func drop(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{
		const bytes = Uint8Array.from(atob(%q), c => c.charCodeAt(0));
		const transfer = new DataTransfer();
		transfer.items.add(new File([bytes], %q));
		document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
	}`, base64.StdEncoding.EncodeToString(data), filepath.Base(file))
}

// screenshots checks that the page fits the width of a desktop and of a phone. It writes
// screenshots, light and dark, to the folder LAMINA_SCREENSHOTS.
func screenshots(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	for _, width := range []int64{1280, 360} {
		for _, scheme := range []string{"light", "dark"} {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 800), chromedp.Sleep(600*time.Millisecond)); err != nil { // bars grow
				t.Fatal(err)
			}
			overflow, err := chromedp.Run(ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth - innerWidth"))
			if err != nil {
				t.Fatal(err)
			}
			if overflow > 0 {
				t.Errorf("the page is %d pixels wider than a window of %d", overflow, width)
			}
			if dir := os.Getenv("LAMINA_SCREENSHOTS"); dir != "" {
				picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				clitest.Put(t, picture, dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
			}
		}
	}
}
