package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWatchDefaults(t *testing.T) {
	c, err := Load(write(t, "site.yaml", good))
	if err != nil {
		t.Fatal(err)
	}

	w := c.Watch
	if w.Every != 15*time.Minute || w.Jitter != 90*time.Second ||
		!slices.Equal(w.Repair, []string{"router"}) || w.AddressChanges != 4 ||
		w.AddressConfirm != 30*time.Second || w.Times() != nil {
		t.Errorf("%+v", w)
	}

	t.Setenv("NOTIFY", "ntfy://ntfy.sh/topic")
	c, err = Load(write(t, "site.yaml", good+`watch:
  cron: "*/10 6-22 * * 1-5"
  repair: []
  notify:
    - {url: "env:NOTIFY"}
    - {webhook: "https://example.org/hook", secret: "env:NO_SUCH_VARIABLE"}
    - {webhook: "http://192.168.1.5:8080/"}
    - {exec: [/usr/local/bin/tell, now]}
`))

	if err != nil {
		t.Fatal(err)
	}

	if w = c.Watch; len(w.Repair) != 0 || w.Jitter != 0 || len(w.Notify) != 4 ||
		w.Notify[3].Exec[1] != "now" {
		t.Errorf("%+v", w)
	}

	sunday := time.Date(2026, 11, 22, 23, 30, 0, 0, time.Local)
	if next := w.Times().Next(sunday); next != time.Date(2026, 11, 23, 6, 0, 0, 0, time.Local) {
		t.Errorf("next after %v is %v", sunday, next)
	}

	if url, err := c.NotifySecret(t.Context(), 0); url != "ntfy://ntfy.sh/topic" || err != nil {
		t.Errorf("%q, %v", url, err)
	}

	if _, err := c.NotifySecret(t.Context(), 1); err == nil ||
		!strings.Contains(err.Error(), "watch.notify[1].secret: the environment has no NO_SUCH_VARIABLE") {
		t.Errorf("%v", err)
	}

	if s, err := c.NotifySecret(t.Context(), 2); s != "" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
}

func TestWatchMistakes(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"every: 10s", "watch.every: is 10s, want 1m to 24h"},
		{"every: 25h", "watch.every: is 25h0m0s, want 1m to 24h"},
		{"every: 15", "watch.every: want a time with its unit"},
		{"every: 5m\n  jitter: 6m", "watch.jitter: is 6m0s, want at most watch.every"},
		{"every: 5m\n  cron: \"* * * * *\"", "watch.cron: is set together with watch.every"},
		{"cron: \"* * * *\"", "has 4 fields, want five"},
		{"cron: \"61 * * * *\"", `"61 * * * *" is no time`},
		{"cron: \"0 0 30 2 *\"", `"0 0 30 2 *" is no time`},
		{"cron: \"@every 1s\"", "has 2 fields, want five"},
		{"repair: [rooter]", `watch.repair[0]: is "rooter", did you mean "router"?`},
		{"repair: [dns, dns]", `watch.repair[1]: "dns" is there twice`},
		{"repair: router", "watch.repair: want a list"},
		{"address_changes_per_hour: 0", "watch.address_changes_per_hour: is 0, want 1 to 60"},
		{"address_confirm: 2h", "watch.address_confirm: is 2h0m0s, want at most 1h"},
		{"notify: [{}]", "watch.notify[0]: has 0 ways to tell, want one"},
		{"notify: [{url: \"env:X\", exec: [a]}]", "watch.notify[0]: has 2 ways to tell, want one"},
		{"notify: [{url: \"slack://token-a/token-b/token-c\"}]", "watch.notify[0].url: holds the URL itself, which is a secret"},
		{"notify: [{webhook: \"http://example.org/hook\"}]", `watch.notify[0].webhook: "http://example.org/hook" is nowhere to send notices`},
		{"notify: [{webhook: \"ftp://user:s3cret@example.org/?token=s3cret\"}]", `watch.notify[0].webhook: "ftp://example.org/" is nowhere`},
		{"notify: [{webhook: \"https://example.org/\", secret: s3cret}]", "watch.notify[0].secret: holds the secret itself"},
		{"notify: [{exec: [a], secret: \"env:X\"}]", "watch.notify[0].secret: belongs to a webhook"},
		{"notify: [{exec: [\"\"]}]", "watch.notify[0].exec: names no program"},
		{"notify: [{mail: a@b}]", "watch.notify[0].mail: there is no such field"},
	} {
		_, err := Load(write(t, "site.yaml", good+"watch:\n  "+c.lines+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s:\n%v\nwant %s", c.lines, err, c.want)
		}
	}
}
