package page

import (
	"context"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
)

var update = flag.Bool("update", false, "write the pictures of docs anew")

// TestBrowser looks at the page in Chromium, which runs in a network namespace of its own: it
// reaches nothing but the test.
func TestBrowser(t *testing.T) {
	if os.Getenv("MAILPUB_BROWSER") == "inside" {
		inBrowser(t)
		return
	}

	_, err := exec.LookPath("chromium")
	if err != nil || os.Getuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("needs root and chromium: %v", err)
		}
		t.Skipf("needs root and chromium: %v", err)
	}

	args := append([]string{"-n", os.Args[0]}, "-test.run=^TestBrowser$", "-test.v")
	if *update {
		args = append(args, "-update")
	}

	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Env = append(os.Environ(), "MAILPUB_BROWSER=inside")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestBrowser") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// browser is one tab, and what went wrong in it.
type browser struct {
	*testing.T
	ctx context.Context
	url string

	mu     sync.Mutex
	wrongs []string
}

func inBrowser(t *testing.T) {
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	site := office()
	way := plan.Subject{
		Name:    "mario@provider.example",
		Text:    "from mario@nomeazienda.it to mario@provider.example",
		Outside: true,
	}

	set(&site, "outbound.delivered", func(c *plan.Check) {
		c.Subject, c.Got, c.Seen = way, "arrived in INBOX; source 2.2.2.2", noon.Add(-3*time.Hour)
	})

	set(&site, "outbound.spf", func(c *plan.Check) {
		c.Subject, c.Got, c.Seen = way, "pass", noon.Add(-3*time.Hour)
	})

	set(&site, "mail.outside", func(c *plan.Check) {
		c.Subject = plan.Subject{
			Name:    "postmaster@nomeazienda.it",
			Text:    "postmaster@nomeazienda.it, from mario@provider.example",
			Outside: true,
		}
		c.Got, c.Seen = "arrived in the mailbox of mario over IMAP; by mx.provider.example from 203.0.113.5 under TLS, then mail.nomeazienda.it from 203.0.113.9 under TLS", noon.Add(-3*time.Hour)
	})

	for i := range 30 { // weeks with a bad day and one on which nobody looked
		in := map[history.State]time.Duration{history.Good: 24 * time.Hour}
		switch i {
		case 11:
			in = map[history.State]time.Duration{history.Good: 21 * time.Hour,
				history.Bad: 3 * time.Hour}
		case 12:
			in = map[history.State]time.Duration{history.Uneasy: 24 * time.Hour}
		case 3:
			in = map[history.State]time.Duration{history.Unknown: 24 * time.Hour}
		}

		site.Days = append(site.Days, history.Day{Start: noon.AddDate(0, 0, i-29), In: in})
	}

	site.Events = []watch.Event{
		{Site: "office", At: noon.Add(-71 * time.Minute), Kind: watch.Repaired, Text: "the forwards are back: tcp/25, tcp/110, tcp/143, tcp/1000, tcp/3000", Took: 940 * time.Millisecond},
		{Site: "office", At: noon.Add(-71 * time.Minute), Kind: watch.Broke, Text: "the router forgot its forwards (it restarted)"},
		{Site: "office", At: noon.Add(-26 * time.Hour), Kind: watch.AddressChanged, Text: "the public address is 2.2.2.2, it was 2.2.2.7; A and SPF follow"},
	}

	server := NewServer("test")
	server.Now = func() time.Time { return noon }
	server.Show(site)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	web := &http.Server{Handler: RejectForeignOrigins(server.Handler())}
	go web.Serve(l)
	t.Cleanup(func() { web.Close() })
	b := start(t, "http://"+l.Addr().String())

	for _, screen := range []struct {
		name          string
		width, height int64
		picture       string
	}{{"phone", 375, 740, "tall"}, {"larger phone", 390, 844, "tall"},
		{"desktop", 1280, 900, "wide"}} {
		b.load(screen.width, screen.height)
		b.expect(screen.name+": the headline", `document.querySelector(".headline").innerText`,
			"✓ Mail arrives and leaves. No problems found.")

		b.expect(screen.name+": nothing to scroll sideways",
			`String(document.documentElement.scrollWidth <= window.innerWidth)`, "true")

		b.expect(screen.name+": one picture",
			`[...document.querySelectorAll(".wide,.tall")].filter(e => e.offsetParent).map(e => e.className).join()`,
			screen.picture)

		b.expect(screen.name+": no text wider than its box", tooWide, "")
	}

	b.picture("status-outside.png", 1280, 1000)
	b.picture("status-outside-phone.png", 390, 1500)
	light := b.eval(`getComputedStyle(document.body).backgroundColor`)
	b.scheme("dark")

	if dark := b.eval(`getComputedStyle(document.body).backgroundColor`); dark == light {
		t.Errorf("dark and light are both %s", dark)
	}

	b.expect("words can be read on dark", contrast, "true")
	b.scheme("light")
	b.expect("words can be read on light", contrast, "true")

	b.expect("the picture is told in words",
		`[...document.querySelectorAll(".path li")].map(e => e.textContent).join("|").replace(/\s+/g, " ").slice(0, 14)`,
		"Internet: well")

	b.expect("each path is told", `[...document.querySelectorAll(".path h2")].map(e => e.textContent).join()`,
		"Mail comes in,Mail goes out")

	b.expect("the picture is not told twice",
		`String([...document.querySelectorAll("svg")].every(e => e.closest("[aria-hidden]")))`,
		"true")

	b.expect("every part of the page has a name",
		`[...document.querySelectorAll("section")].filter(e => !e.getAttribute("aria-label")).length`, "0")

	b.eval(`document.querySelector("summary").click(), document.querySelector("summary").focus(), window.mark = "the same page"`)
	bad := rebooted()
	bad.Days = site.Days
	bad.Events = site.Events
	server.Show(bad)
	b.wait("the break shows by itself", `document.querySelector(".headline").innerText`,
		"✗ The router forgot its forwards (it restarted).")

	b.expect("without loading anew", `window.mark`, "the same page")
	b.wait("the news are told", `document.getElementById("told").textContent`,
		"✗ office: The router forgot its forwards (it restarted).")

	b.expect("the focus stays", `document.activeElement.tagName`, "SUMMARY")
	b.expect("the break is told in words", `String([...document.querySelectorAll(".path li")].some(e => e.textContent.startsWith("Router: broken.")))`, "true")
	b.eval(`getSelection().selectAllChildren(document.querySelector(".headline"))`)
	server.Show(site)
	time.Sleep(time.Second)
	b.expect("news wait for the end of a selection",
		`document.querySelector(".headline").innerText`,
		"✗ The router forgot its forwards (it restarted).")

	b.eval(`getSelection().removeAllRanges()`)
	b.wait("and come then", `document.querySelector(".headline").innerText`,
		"✓ Mail arrives and leaves. No problems found.")

	server.Show(bad)
	b.wait("the break shows again", `document.querySelector(".headline").innerText`,
		"✗ The router forgot its forwards (it restarted).")

	b.expect("what was open stays open", `String(document.querySelectorAll("details[open]").length > 0)`, "true")
	b.expect("where it breaks", `document.querySelectorAll(".wide .break").length + " " + document.querySelector(".wide .box.bad .name").textContent`,
		"1 Router")

	b.picture("status.png", 1280, 1180)
	b.picture("status-phone.png", 390, 844)
	b.scheme("dark")
	b.picture("status-dark.png", 1280, 1180)
	b.picture("status-phone-dark.png", 390, 844)
	b.scheme("light")

	b.scripts(false)
	b.load(375, 740)
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("main")))
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(text, "mailpub apply restores it") ||
		!strings.Contains(text, "LEASE LEFT") && !strings.Contains(text, "Lease left") {
		t.Errorf("without scripts:\n%s", text)
	}

	b.scripts(true)

	b.load(1280, 900)
	b.noWrongs()
	web.Close()
	b.wait("a lost connection shows", `String(document.getElementById("lost").hidden)`, "false")
}

// tooWide are the texts of the picture that is shown that stick out of their boxes.
const tooWide = `[...document.querySelectorAll(".box")].filter(b => b.getBoundingClientRect().width).flatMap(b => {
	const edge = b.querySelector("rect").getBoundingClientRect();
	return [...b.querySelectorAll("text")].filter(t => { const r = t.getBoundingClientRect(); return r.right > edge.right - 2 || r.left < edge.left; }).map(t => t.textContent);
}).join()`

// contrast is whether the soft text has a contrast of 4.5 to the paper at least (WCAG 2.2, 1.4.3).
const contrast = `String((() => {
	const light = c => { const v = c.match(/[\d.]+/g).slice(0, 3).map(x => { x /= 255; return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; }); return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
	const paper = light(getComputedStyle(document.body).backgroundColor);
	return [...document.querySelectorAll(".facts, small, .mark, h1, dt, .ways .way")].every(e => { const ink = light(e.closest("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color); return e.closest(".box") || (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) >= 4.5; });
})())`

func start(t *testing.T, url string) *browser {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), chromedp.ExecPath("chromium"),
		chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun,
		chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")),
		chromedp.Flag("disable-dev-shm-usage", true))

	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	b := &browser{T: t, ctx: ctx, url: url}
	err := chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()

		switch e := event.(type) {
		case *log.EventEntryAdded:
			b.wrongs = append(b.wrongs, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			b.wrongs = append(b.wrongs, e.ExceptionDetails.Text)
		}
	})

	if err != nil {
		t.Fatal(err)
	}

	call(b, log.Enable, cdp.Empty{})
	return b
}

func call[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.Fatal(err)
	}
}

func (b *browser) scheme(name string) {
	b.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

func (b *browser) scripts(on bool) {
	b.Helper()
	call(b, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: !on})
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

func (b *browser) load(width, height int64) {
	b.Helper()
	b.run(chromedp.EmulateViewport(width, height), chromedp.Navigate(b.url),
		chromedp.WaitVisible(chromedp.CSS("main")))
}

func (b *browser) eval(js string) string {
	b.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`String(`+js+`)`))
	if err != nil {
		b.Fatal(err)
	}
	return got
}

func (b *browser) expect(what, js, want string) {
	b.Helper()
	if got := b.eval(js); got != want {
		b.Errorf("%s: %q, want %q", what, got, want)
	}
}

// wait is expect for what comes about.
func (b *browser) wait(what, js, want string) {
	b.Helper()
	for range 100 {
		if b.eval(js) == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}

	b.expect(what, js, want)
}

func (b *browser) noWrongs() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrongs {
		b.Errorf("the browser says %s", w)
	}
}

// picture takes one for docs, when asked to.
func (b *browser) picture(name string, width, height int64) {
	b.Helper()
	if !*update {
		return
	}

	b.run(chromedp.EmulateViewport(width, height), chromedp.Sleep(200*time.Millisecond))
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.Fatal(err)
	}

	if err := os.WriteFile(filepath.Join("..", "..", "..", "docs", name), png,
		0o644); err != nil {
		b.Fatal(err)
	}
}
