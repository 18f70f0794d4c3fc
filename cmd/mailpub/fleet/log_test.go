package fleet

import (
	"bytes"
	"log/slog"
	"testing"

	sdjournal "github.com/coreos/go-systemd/v22/journal"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// Each attribute is a field of the journal, and the message has what a person needs.
func TestJournald(t *testing.T) {
	var message string
	var vars map[string]string
	var prio sdjournal.Priority
	log := slog.New(&journald{
		level: slog.LevelInfo,
		send: func(m string, p sdjournal.Priority, v map[string]string) error {
			message, prio, vars = m, p, v
			return nil
		},
	})

	log.With("site", "nomeazienda").WithGroup("router").Warn("gone", "event", watch.RouterGone,
		"wan-address", "2.2.2.2")

	if message != "gone (site=nomeazienda router.event=router-gone router.wan-address=2.2.2.2)" ||
		prio != sdjournal.PriWarning ||
		vars["MAILPUB_SITE"] != "nomeazienda" ||
		vars["MAILPUB_ROUTER_WAN_ADDRESS"] != "2.2.2.2" ||
		vars["SYSLOG_IDENTIFIER"] != "mailpub" {
		t.Errorf("%q %v %v", message, prio, vars)
	}

	if log.Debug("more"); message == "more" {
		t.Error("debug is logged")
	}

	var out bytes.Buffer
	if _, err := NewLog("journald", slog.LevelInfo, &out); !sdjournal.Enabled() && err == nil {
		t.Error("there is no journald, and it is logged to")
	}
}
