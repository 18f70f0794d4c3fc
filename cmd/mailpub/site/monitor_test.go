package site

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// Messages are sent at the start, once a day, while one fails, after a repair and from another public address.
func TestMessagesDue(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	address := netip.MustParseAddr("2.2.2.2")
	other := netip.MustParseAddr("2.2.2.7")
	sent := func(ago time.Duration, status plan.Status) sentMessages {
		m := sentMessages{At: now.Add(-ago), Public: []netip.Addr{address}}
		m.add(plan.Check{Status: plan.Pass})
		m.add(plan.Check{Status: status})
		return m
	}

	for name, c := range map[string]struct {
		sent   sentMessages
		public netip.Addr
		due    bool
	}{
		"at the start, or after a repair": {sentMessages{}, address, true},
		"an hour later":                   {sent(time.Hour, plan.Warn), address, false},
		"a day later":                     {sent(24*time.Hour, plan.Pass), address, true},
		"one failed":                      {sent(time.Minute, plan.Fail), address, true},
		"another address":                 {sent(time.Minute, plan.Pass), other, true},
		"sent in the future":              {sent(-time.Minute, plan.Pass), address, true},
	} {
		if got := c.sent.due([]netip.Addr{c.public}, now); got != c.due {
			t.Errorf("%s: due is %v", name, got)
		}
	}
}

// What messages showed outlasts the process, for the config that they were sent with, and not where they are
// wanted at once. A file that can't be read costs no more than the messages.
func TestMessagesOutlastTheProcess(t *testing.T) {
	cfg := &config.Config{File: filepath.Join(t.TempDir(), "mailpub.yaml"), Site: "office"}
	open := func(digest string, o Options) *Monitor {
		m := NewMonitor(cfg, o)
		m.KeepMessages(digest)
		return m
	}

	m := open("one", Options{})
	if len(m.messages.sent().Checks) != 0 {
		t.Fatalf("%+v", m.messages)
	}

	want := plan.Check{
		ID:      catalog.OutboundSPF,
		Subject: plan.Subject{Name: "mario@nomeazienda.it", Outside: true},
		Status:  plan.Warn,
		Got:     "none",
		Advice:  true,
		Reason:  plan.ReasonLost,
	}

	m.messages.sent().At = time.Now()
	m.messages.sent().add(want)
	m.messages.save()

	if got := open("one", Options{}).messages.sent().checks(); !reflect.DeepEqual(got,
		[]plan.Check{want}) {
		t.Errorf("kept %+v", got)
	}

	for name, m := range map[string]*Monitor{"another config": open("two", Options{}),
		"at once": open("one", Options{MessagesNow: true})} {
		if !m.messages.sent().due(nil, time.Now()) {
			t.Errorf("%s: not due", name)
		}
	}

	if err := os.WriteFile(m.messages.state.(StateFiles).Path(StateSent), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}

	if !open("one", Options{}).messages.sent().due(nil, time.Now()) {
		t.Error("a damaged file counts")
	}
}
