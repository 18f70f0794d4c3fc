package main

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// system is what systemd is told of, where it is the one that started mailpub (sd_notify(3)).
type system struct {
	notify   func(state string) error
	watchdog time.Duration // zero: nobody asks for a sign of life
	log      *slog.Logger
	said     string
}

func newSystem(log *slog.Logger) *system {
	s := &system{log: log, notify: func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}
	var err error
	if s.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("systemd's watchdog", "error", err)
	}
	return s
}

func (s *system) tell(state string) {
	if err := s.notify(state); err != nil {
		s.log.Warn("systemd was not told", "state", state, "error", err)
	}
}

// state implements watch.Daemon.State.
func (s *system) state(state string) {
	switch state {
	case "ready":
		s.tell(daemon.SdNotifyReady)
	case "reloading":
		s.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	case "stopping":
		s.tell(daemon.SdNotifyStopping)
	}
}

// heartbeat is how often beat has to be called: three times within what systemd waits for.
func (s *system) heartbeat() time.Duration {
	const usual = 10 * time.Second
	if s.watchdog > 0 {
		return min(usual, s.watchdog/3)
	}
	return usual
}

// beat tells that all is alive, and how it is when that changed.
func (s *system) beat(status string) {
	if s.watchdog > 0 {
		s.tell(daemon.SdNotifyWatchdog)
	}
	if status != s.said {
		s.said = status
		s.tell("STATUS=" + status)
	}
}
