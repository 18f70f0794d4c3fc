package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// numbered is a site of a fleet.
func numbered(s Site, i int) Site {
	s.Site = fmt.Sprintf("site-%05d", i)
	s.Report.Site = s.Site
	s.Report.Drift = true // as watch has it
	s.Host = fmt.Sprintf("mail.site-%05d.example", i)
	return s
}

// many shows a fleet of which a few sites are not well.
func many(s *Server, n int) {
	for i := range n {
		site := office()
		switch {
		case i%100 == 42:
			site = rebooted()
		case i%100 == 43:
			site.Err = errors.New("the environment has no MAILPUB_TSIG_KEY")
		case i%1000 == 44:
			site.Config = errors.New("site.yaml:7: no such field")
		}
		s.Show(numbered(site, i))
	}
}

// rowsOf are the names in the table of an overview.
func rowsOf(body string) (names []string) {
	for _, m := range regexp.MustCompile(`<th scope="row">.*?<a href="/site/([^"]*)">`).FindAllStringSubmatch(body, -1) {
		names = append(names, m[1])
	}
	return names
}

// What is not well comes first, a hundred to a page, and is found by words, without a script.
func TestOverview(t *testing.T) {
	s, web := serve(t)
	many(s, 1000)
	_, body, header := get(t, web, "/")
	rows := rowsOf(body)
	if len(rows) != rowsShown || rows[0] != "site-00042" || rows[9] != "site-00942" ||
		rows[10] != "site-00044" || rows[11] != "site-00043" || rows[21] != "site-00000" {
		t.Errorf("%q", rows)
	}

	for _, want := range []string{"1000 sites", "10 failing", "11 need attention", "979 well", "Page 1 of 10",
		`href="/?page=2"`, `href="/?state=bad"`, `action="/"`, "no such field"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body[:min(len(body), 6000)])
		}
	}
	if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self'") {
		t.Errorf("a browser does not send the search: %s", policy)
	}
	if len(body) > 60_000 {
		t.Errorf("a page of %d octets", len(body))
	}

	for path, want := range map[string][]string{
		"/?page=10":                        {"site-00898", "site-00999"},
		"/?page=999":                       {"site-00898", "site-00999"},
		"/?page=-1&state=nonsense":         {"site-00042", "site-00081"},
		"/?state=bad":                      {"site-00042", "site-00942"},
		"/?q=00943":                        {"site-00943", "site-00943"},
		"/?q=MAIL.site-0004+forwards":      {"site-00042", "site-00042"},
		"/?q=%22%3E%3Cscript%3E":           nil,
		"/?state=warn&q=TSIG":              {"site-00043", "site-00943"},
		"/?state=good&q=site-0004":         {"site-00040", "site-00049"},
		"/?q=" + strings.Repeat("x", 9000): nil,
	} {
		if len(path) > 4000 {
			path = path[:4000]
		}

		_, body, _ := get(t, web, path)
		rows := rowsOf(body)
		if want == nil {
			if len(rows) > 0 || !strings.Contains(body, "No site matches") || strings.Contains(body, `value=""><`) {
				t.Errorf("%.60s: %q", path, rows)
			}
			continue
		}
		if len(rows) == 0 || rows[0] != want[0] || rows[len(rows)-1] != want[1] {
			t.Errorf("%s: %q, want from %s to %s", path, rows, want[0], want[1])
		}
	}

	_, body, _ = get(t, web, "/site/site-00042")
	if !strings.Contains(body, "router forgot its forwards") || !strings.Contains(body, "All sites") {
		t.Errorf("a site of a fleet:\n%s", body)
	}
}

// What is known of a site of a fleet is all there still: packed, it makes the same page and the same report.
func TestPackedIsWhole(t *testing.T) {
	s, web := serve(t)
	single, alone := serve(t)
	many(s, manySites)
	for _, site := range []Site{numbered(office(), 99_999), numbered(rebooted(), 99_999)} {
		s.Show(site)
		single.Show(site)
		if s.find(site.Site).packed == nil || single.find(site.Site).packed != nil {
			t.Fatal("not packed, or packed alone")
		}

		_, got, _ := get(t, web, "/api/report?site="+site.Site)
		_, want, _ := get(t, alone, "/api/report?site="+site.Site)
		if got != want {
			t.Errorf("packed:\n%s\nwhole:\n%s", got, want)
		}

		live := regexp.MustCompile(`data-stamp="\d+"|<a href="/">All sites</a> · `)
		_, got, _ = get(t, web, "/site/"+site.Site)
		_, want, _ = get(t, alone, "/site/"+site.Site)
		if live.ReplaceAllString(got, "") != live.ReplaceAllString(want, "") {
			t.Errorf("packed:\n%s\nwhole:\n%s", got, want)
		}
	}

	s.Past = func(site string) ([]watch.Event, []history.Day) {
		return []watch.Event{{Site: site, At: noon, Kind: watch.Broke, Text: "MX is gone"}}, nil
	}
	s.Show(numbered(office(), 99_999))
	if _, body, _ := get(t, web, "/site/site-99999"); !strings.Contains(body, "MX is gone") {
		t.Errorf("the past is not read:\n%s", body)
	}
}

// The report can be had in pages, by name and by verdict; what is asked wrongly is told.
func TestReportFilters(t *testing.T) {
	s, web := serve(t)
	many(s, 300)
	for path, want := range map[string]struct{ sites, total int }{
		"/api/report":                                 {300, 0},
		"/api/report?verdict=bad":                     {3, 0},
		"/api/report?verdict=bad,warn":                {7, 0},
		"/api/report?verdict=bad&verdict=warn":        {7, 0},
		"/api/report?site=site-00001&site=site-00042": {2, 0},
		"/api/report?site=site-00001&verdict=bad":     {0, 0},
		"/api/report?page=1":                          {100, 300},
		"/api/report?page=3&per=140":                  {20, 300},
		"/api/report?page=9":                          {0, 300},
		"/api/report?page=1&verdict=good":             {100, 293},
	} {
		code, body, _ := get(t, web, path)
		var got struct {
			Format             string
			Sites              []struct{ Site, State string }
			Total, Page, Pages int
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Fatalf("%s: %d, %v", path, code, err)
		}
		if got.Format != StatusFormat || got.Sites == nil || len(got.Sites) != want.sites || got.Total != want.total {
			t.Errorf("%s: %d sites of %d", path, len(got.Sites), got.Total)
		}
	}

	for _, path := range []string{"?verdict=ugly", "?page=0", "?page=x", "?per=5000&page=1"} {
		if code, body, _ := get(t, web, "/api/report"+path); code != http.StatusBadRequest ||
			!strings.Contains(body, "want") {
			t.Errorf("%s: %d, %s", path, code, body)
		}
	}
}

// Metrics of many sites are totals, and each site that is not well.
func TestMetricsOfMany(t *testing.T) {
	s, web := serve(t)
	many(s, 1000)
	_, body, _ := get(t, web, "/metrics")
	for _, want := range []string{
		`mailpub_sites{state="good"} 979`,
		`mailpub_sites{state="bad"} 10`,
		`mailpub_sites_config_wrong 1`,
		`mailpub_sites_look_incomplete 10`,
		`mailpub_sites_differences 10`,
		`mailpub_state{site="site-00042",state="bad"} 1`,
		`mailpub_config_wrong{site="site-00044"} 1`,
		`mailpub_look_incomplete{site="site-00043"} 1`,
		`mailpub_checks{site="site-00042",id="router.forward",status="fail"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %q in\n%s", want, body[:min(len(body), 3000)])
		}
	}
	if strings.Contains(body, "site-00001") {
		t.Error("a site that is well has series of its own")
	}
	if len(body) > 400_000 {
		t.Errorf("%d octets", len(body))
	}

	s, web = serve(t)
	many(s, manySites)
	if _, body, _ := get(t, web, "/metrics"); !strings.Contains(body, `mailpub_state{site="site-00001",state="good"} 1`) ||
		!strings.Contains(body, `mailpub_checks{site="site-00042",id="router.forward",status="fail"} 1`) {
		t.Errorf("a hundred sites:\n%s", body[:min(len(body), 3000)])
	}
}

// Nobody who shows a site waits for a page that is drawn.
func TestDrawingHoldsUpNobody(t *testing.T) {
	s, web := serve(t)
	many(s, manySites+1)
	s.Past = func(string) ([]watch.Event, []history.Day) {
		s.Show(numbered(office(), 7)) // it would wait for itself
		return nil, nil
	}
	if code, _, _ := get(t, web, "/site/site-00042"); code != 200 {
		t.Errorf("%d", code)
	}
}

// BenchmarkFleetPage are the pages of 10,000 sites, of which some change between two requests.
func BenchmarkFleetPage(b *testing.B) {
	s := NewServer("1.2.3")
	many(s, 10_000)
	h := s.Handler()
	for _, path := range []string{"/", "/?q=site-00042", "/?page=50", "/site/site-00042", "/api/report?verdict=bad", "/api/report", "/metrics"} {
		b.Run(strings.ReplaceAll(path, "/", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Show(numbered(office(), 1))
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
			}
		})
	}
}

// BenchmarkFleetShow is one site of 10,000 that was looked at, and what all take in memory.
func BenchmarkFleetShow(b *testing.B) {
	s := NewServer("1.2.3")
	many(s, 10_000)
	size := 0
	for _, shown := range s.sites {
		size += len(shown.packed)
	}

	site := numbered(office(), 1)
	for b.Loop() {
		s.Show(site)
	}
	b.ReportMetric(float64(size)/10_000, "octets/site")
}
