package fleet

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// sdNotify tells systemd how watch is, where systemd started mailpub (sd_notify(3)).
type sdNotify struct {
	notify   func(state string) error
	watchdog time.Duration // zero: systemd expects no sign of life
	log      *slog.Logger
	last     string
}

func newSDNotify(log *slog.Logger) *sdNotify {
	s := &sdNotify{log: log, notify: func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}

	var err error
	if s.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("systemd's watchdog", "error", err)
	}

	return s
}

func (s *sdNotify) send(state string) {
	if err := s.notify(state); err != nil {
		s.log.Warn("cannot notify systemd", "state", state, "error", err)
	}
}

// state implements watch.Daemon.State.
func (s *sdNotify) state(state string) {
	switch state {
	case "ready":
		s.send(daemon.SdNotifyReady)
	case "reloading":
		s.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	case "stopping":
		s.send(daemon.SdNotifyStopping)
	}
}

// heartbeat is how often beat has to be called: three times within what systemd waits for.
func (s *sdNotify) heartbeat() time.Duration {
	const usual = 10 * time.Second
	if s.watchdog > 0 {
		return min(usual, s.watchdog/3)
	}
	return usual
}

// sendHeartbeat tells that all is alive, and how it is when that changed.
func (s *sdNotify) sendHeartbeat(status string) {
	if s.watchdog > 0 {
		s.send(daemon.SdNotifyWatchdog)
	}
	if status != s.last {
		s.last = status
		s.send("STATUS=" + status)
	}
}
