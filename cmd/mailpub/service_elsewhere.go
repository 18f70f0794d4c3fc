//go:build windows || darwin

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/kardianos/service"

	"github.com/mailpub/mailpub/cmd/mailpub/unit"
)

// systemService is the service of a name as Windows or launchd knows it.
func systemService(name string, i service.Interface, o unit.Options) (service.Service, error) {
	return service.New(i, &service.Config{
		Name: name, DisplayName: "mailpub", Description: "Keeps a mail server reachable from the Internet.",
		Executable: o.Program, Arguments: append([]string{"watch", "--service", name}, o.Configs...), UserName: o.User,
		Option: service.KeyValue{
			"OnFailure": "restart", "OnFailureDelayDuration": "10s", "DelayedAutoStart": true, // Windows
			"KeepAlive": true, "RunAtLoad": true, // launchd
		},
	})
}

func (a *app) installService(_ context.Context, o unit.Options, f serviceFlags) error {
	if f.timer {
		return errors.New("--timer is for systemd alone: have your system's scheduler run \"mailpub drift\"")
	}
	if f.print {
		line := []string{shellWord(o.Program, runtime.GOOS), "watch", "--service", f.name}
		for _, c := range o.Configs {
			line = append(line, shellWord(c, runtime.GOOS))
		}
		fmt.Fprintf(a.out, "service %s of %s: %s\n", f.name, service.Platform(), strings.Join(line, " "))
		return nil
	}
	s, err := systemService(f.name, &program{}, o)
	if err == nil {
		if _, e := s.Status(); !errors.Is(e, service.ErrNotInstalled) {
			return fmt.Errorf("service %s is installed already: mailpub service remove --name %[1]s takes it away, --name installs another beside it", f.name)
		}
		err = s.Install()
	}
	if err == nil {
		err = restartOnFailure(f.name)
	}
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		return fmt.Errorf("service %s: %w%s", f.name, err, adviceOn(err))
	}
	a.started(f.name, "It logs to the system's log.")
	return nil
}

func (a *app) removeService(_ context.Context, f serviceFlags) error {
	s, err := systemService(f.name, &program{}, unit.Options{})
	if err != nil {
		return err
	}
	if _, err := s.Status(); errors.Is(err, service.ErrNotInstalled) {
		return fmt.Errorf("%s: %w", f.name, errNoService)
	}
	_ = s.Stop() // it may not run
	if err := s.Uninstall(); err != nil {
		return fmt.Errorf("service %s: %w%s", f.name, err, adviceOn(err))
	}
	fmt.Fprintf(a.out, "%s %s is stopped and removed; what mailpub put in place stays.\n", a.look.green("Done:"), f.name)
	return nil
}

func (a *app) serviceStatus(_ context.Context, f serviceFlags) error {
	s, err := systemService(f.name, &program{}, unit.Options{})
	if err != nil {
		return err
	}
	status, err := s.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		return fmt.Errorf("%s: %w", f.name, errNoService)
	case err != nil:
		return err
	case status != service.StatusRunning:
		fmt.Fprintf(a.out, "%s: does not run\n", f.name)
		return differs{}
	}
	fmt.Fprintf(a.out, "%s: runs\n", f.name)
	return nil
}

// asService runs as the service of a name that the system started: it is ended by the system, and
// what it logs goes to the system's log, a line at a time.
func (a *app) asService(ctx context.Context, name string, run func(context.Context) error) error {
	p := &program{ctx: ctx, run: run, ended: make(chan error, 1)}
	s, err := systemService(name, p, unit.Options{})
	if err != nil {
		return err
	}
	if log, err := s.Logger(nil); err == nil {
		a.err = lines(func(line string) { _ = log.Info(line) })
	}
	return s.Run()
}

// lines is a writer of lines.
type lines func(string)

func (l lines) Write(p []byte) (int, error) {
	l(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// program is what the system starts and stops. It implements service.Interface.
type program struct {
	ctx   context.Context
	run   func(context.Context) error
	stop  context.CancelFunc
	ended chan error
}

// Start implements service.Interface: it returns at once.
func (p *program) Start(s service.Service) error {
	ctx, stop := context.WithCancel(p.ctx)
	p.stop = stop
	go func() {
		err := p.run(ctx)
		p.ended <- err
		if err != nil { // so that the system sees that it failed
			_ = s.Stop()
		}
	}()
	return nil
}

// Stop implements service.Interface: it returns when all has ended.
func (p *program) Stop(service.Service) error {
	p.stop()
	return <-p.ended
}
