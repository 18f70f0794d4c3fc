package page

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

func ids() []string { return catalog.IDs() }

// serve starts a server of sites.
func serve(t *testing.T, sites ...Site) (*Server, *httptest.Server) {
	t.Helper()
	s := NewServer("1.2.3")
	s.Now = func() time.Time { return noon }

	for _, site := range sites {
		s.Show(site)
	}

	web := httptest.NewServer(RejectForeignOrigins(s.Handler(), "status.nomeazienda.it"))
	t.Cleanup(web.Close)
	return s, web
}

func get(t *testing.T, web *httptest.Server, path string, change ...func(*http.Request)) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range change {
		c(r)
	}

	answer, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}

	defer answer.Body.Close()

	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}

	return answer.StatusCode, string(body), answer.Header
}

func TestPages(t *testing.T) {
	second := rebooted()
	second.Site = "branch"
	s, web := serve(t, office())

	if code, body, _ := get(t, web, "/"); code != 200 ||
		!strings.Contains(body, "Mail arrives and leaves. No problems found") ||
		strings.Contains(body, "All sites") {
		t.Errorf("the only site: %d\n%s", code, body)
	}

	s.Show(second)
	for path, want := range map[string]string{"/": "2 sites",
		"/site/branch": "router forgot its forwards", "/site/office": "All sites",
		"/site/nobody": `no site "nobody"`} {
		if _, body, _ := get(t, web, path); !strings.Contains(body, want) {
			t.Errorf("%s: no %q in\n%s", path, want, body)
		}
	}

	code, _, header := get(t, web, "/")
	policy := header.Get("Content-Security-Policy")
	if code != 200 || !strings.Contains(policy, "default-src 'none'") ||
		strings.Contains(policy, "unsafe") || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %v", code, header)
	}

	s.Forget("branch")
	if code, _, _ := get(t, web, "/site/branch"); code != 404 {
		t.Errorf("a site that left: %d", code)
	}

	if r, err := web.Client().Post(web.URL+"/", "text/plain", nil); err != nil ||
		r.StatusCode != 405 {
		t.Errorf("POST: %v, %v", r, err)
	}
}

func TestReportAndMetrics(t *testing.T) {
	broken := rebooted()
	broken.Site = "branch"
	s, web := serve(t, office(), broken)
	_, body, _ := get(t, web, "/api/report")
	var got struct {
		Format string
		Sites  []struct {
			Site, State string
			Report      struct{ Summary struct{ Pass, Fail int } }
			Leases      []struct{ Name, Until string }
		}
	}

	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}

	if got.Format != StatusFormat || len(got.Sites) != 2 || got.Sites[0].State != "bad" ||
		got.Sites[0].Report.Summary.Fail != 2 || got.Sites[1].State != "good" ||
		got.Sites[1].Leases[0].Until != "2026-11-24T12:42:00Z" {
		t.Errorf("%+v", got)
	}

	if _, body, _ := get(t, web, "/api/report?site=office"); strings.Contains(body,
		"branch") || !strings.Contains(body, "office") {
		t.Errorf("one site:\n%s", body)
	}

	if code, _, _ := get(t, web, "/api/report?site=nobody"); code != 404 {
		t.Errorf("no such site: %d", code)
	}

	_, body, _ = get(t, web, "/metrics")
	for _, want := range []string{
		`mailpub_state{site="office",state="good"} 1`,
		`mailpub_state{site="branch",state="bad"} 1`,
		`mailpub_state{site="branch",state="good"} 0`,
		`mailpub_checks{site="branch",id="router.forward",status="fail"} 1`,
		`mailpub_differences{site="branch"} 1`, `mailpub_last_look_seconds{site="office"} 1.3`,
		`mailpub_lease_seconds{site="office",forward="tcp/25"} 2520`,
		`mailpub_config_wrong{site="office"} 0`, `mailpub_look_incomplete{site="office"} 0`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %q in\n%s", want, body)
		}
	}

	if code, _, _ := get(t, web, "/healthz"); code != 200 {
		t.Errorf("health: %d", code)
	}

	s.Health = func() error { return errors.New("the last look was an hour ago") }
	if code, body, _ := get(t, web, "/healthz"); code != 503 ||
		!strings.Contains(body, "an hour ago") {
		t.Errorf("health: %d, %s", code, body)
	}
}

// What could not be looked at is told everywhere: on the page, to programs, in metrics, and by health.
func TestErrorsAreTold(t *testing.T) {
	s, web := serve(t, office())
	secret := office()
	secret.Site = "secretless"
	secret.Err = errors.New("the environment has no MAILPUB_TSIG_KEY")
	set(&secret, "smtp.banner", func(c *plan.Check) { c.Status = plan.Fail })
	s.Show(secret)
	former := office()
	former.Site = "former"
	former.Config = errors.New("former.yaml:7: no such field")
	s.Show(former)

	if code, _, _ := get(t, web, "/healthz"); code != 200 {
		t.Errorf("health of sites that are watched: %d", code)
	}

	s.Show(Site{Snapshot: watch.Snapshot{
		Site:   "gamma.yaml",
		File:   "/etc/mailpub/gamma.yaml",
		Config: errors.New("gamma.yaml:3: no such zone"),
	}})

	for path, wants := range map[string][]string{
		"/":                {"gamma.yaml:3: no such zone", "former.yaml:7: no such field"},
		"/site/secretless": {"What is wrong", "Not everything could be checked", "MAILPUB_TSIG_KEY"},
		"/site/former":     {"What is wrong", "the former version stays in use", "former.yaml:7"},
		"/site/gamma.yaml": {"What is wrong", "the site is not watched", "gamma.yaml:3"},
		"/api/report":      {`"config_error": "gamma.yaml:3: no such zone"`, `"error": "the environment has no MAILPUB_TSIG_KEY"`},
		"/metrics":         {`mailpub_config_wrong{site="gamma.yaml"} 1`, `mailpub_config_wrong{site="former"} 1`, `mailpub_look_incomplete{site="secretless"} 1`, `mailpub_state{site="gamma.yaml",state="unknown"} 1`},
	} {
		_, body, _ := get(t, web, path)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %q in\n%s", path, want, body)
			}
		}
	}

	if code, body, _ := get(t, web, "/healthz"); code != 503 ||
		!strings.Contains(body, "gamma.yaml is not watched") {
		t.Errorf("health with a site that is not watched: %d, %s", code, body)
	}
}

func TestOnlyHere(t *testing.T) {
	_, web := serve(t, office())
	addr := web.Listener.Addr().String()
	host := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Host = name }
	}

	head := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}

	for _, c := range []struct {
		name   string
		change []func(*http.Request)
		want   int
	}{
		{"by address", nil, 200},
		{"localhost", []func(*http.Request){host("localhost:8025")}, 200},
		{"IPv6", []func(*http.Request){host("[::1]:8025")}, 200},
		{"a name that was given", []func(*http.Request){host("Status.Nomeazienda.IT.")}, 200},
		{"rebinding", []func(*http.Request){host("evil.example:8025")}, 421},
		{"an address as a name's part", []func(*http.Request){host("127.0.0.1.evil.example")}, 421},
		{"own origin", []func(*http.Request){head("Origin", "http://"+addr)}, 200},
		{"another origin", []func(*http.Request){head("Origin", "http://evil.example")}, 403},
		{"no origin", []func(*http.Request){head("Origin", "null")}, 403},
		{"an element elsewhere", []func(*http.Request){head("Sec-Fetch-Site", "cross-site"), head("Sec-Fetch-Mode", "no-cors")}, 403},
		{"a link elsewhere", []func(*http.Request){head("Sec-Fetch-Site", "cross-site"), head("Sec-Fetch-Mode", "navigate")}, 200},
	} {
		if code, body, _ := get(t, web, "/api/report", c.change...); code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, code, c.want, body)
		}
	}
}

// A browser hears of what is new, and there is an end to how many listen.
func TestEvents(t *testing.T) {
	s, web := serve(t, office())
	listen := func() *http.Response {
		r, err := web.Client().Get(web.URL + "/events")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}

	lines := bufio.NewScanner(listen().Body)
	next := func() string {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return text
			}
		}
		t.Fatal(lines.Err())
		return ""
	}

	first := next()
	s.Show(rebooted())
	if second := next(); second == first {
		t.Errorf("nothing new after %s", first)
	}

	for range maxListeners - 1 {
		if r := listen(); r.StatusCode != 200 {
			t.Fatalf("%s", r.Status)
		}
	}

	if r := listen(); r.StatusCode != 503 {
		t.Errorf("one too many: %s", r.Status)
	}
}

// Many who ask at once get the page, while it changes.
func TestManyAtOnce(t *testing.T) {
	s, web := serve(t, office())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				if code, body, _ := get(t, web, "/"); code != 200 ||
					!strings.HasSuffix(strings.TrimSpace(body), "</html>") {
					t.Errorf("%d, %d octets", code, len(body))
				}
				if i == 0 {
					s.Show(rebooted())
				}
			}
		})
	}

	all.Wait()
}

func BenchmarkPage(b *testing.B) {
	s := NewServer("1.2.3")
	s.Show(rebooted())
	h := s.Handler()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// BenchmarkMetrics is what Prometheus asks for, of a thousand sites with every check.
func BenchmarkMetrics(b *testing.B) {
	s := NewServer("1.2.3")
	for i := range 1000 {
		one := rebooted()
		one.Site = fmt.Sprintf("site%04d", i)
		one.Report.Checks = nil
		for _, id := range catalog.IDs() {
			one.Report.Checks = append(one.Report.Checks, plan.Check{ID: id, Status: plan.Pass})
		}
		s.Show(one)
	}

	h := s.Handler()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	octets := 0

	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		octets = w.Body.Len()
	}

	b.ReportMetric(float64(octets)/(1<<20), "MiB")
}
