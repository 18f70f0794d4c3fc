//go:build windows || darwin

package service

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/kardianos/service"

	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/cmd/mailpub/unit"
)

// systemService is the service of a name as Windows or launchd knows it.
func systemService(name string, i service.Interface, o unit.Options) (service.Service, error) {
	return service.New(i, &service.Config{
		Name: name, DisplayName: "mailpub", Description: "Monitors a mail server's reachability from the Internet.",
		Executable: o.Program, Arguments: append([]string{"watch", "--service", name}, o.Configs...), UserName: o.User,
		Option: service.KeyValue{
			"OnFailure": "restart", "OnFailureDelayDuration": "10s", "DelayedAutoStart": true, // Windows
			"KeepAlive": true, "RunAtLoad": true, // launchd
		},
	})
}

// Install installs and starts the service.
func Install(_ context.Context, u *term.UI, o unit.Options, f Options) error {
	if f.Timer {
		return errors.New("--timer works only with systemd: schedule \"mailpub drift\" with your system's scheduler")
	}
	if f.Receive {
		return errors.New("--receive works only with systemd: run \"mailpub receive\" with your system's service manager")
	}
	if f.Print {
		line := []string{term.ShellWord(o.Program, runtime.GOOS), "watch", "--service", f.Name}
		for _, c := range o.Configs {
			line = append(line, term.ShellWord(c, runtime.GOOS))
		}
		fmt.Fprintf(u.Out, "service %s of %s: %s\n", f.Name, service.Platform(), strings.Join(line, " "))
		return nil
	}
	s, err := systemService(f.Name, &program{}, o)
	if err == nil {
		if _, e := s.Status(); !errors.Is(e, service.ErrNotInstalled) {
			return fmt.Errorf("service %s is already installed: remove it with mailpub service remove --name %[1]s, or install another one with --name", f.Name)
		}
		err = s.Install()
	}
	if err == nil {
		err = restartOnFailure(f.Name)
	}
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		return fmt.Errorf("service %s: %w%s", f.Name, err, managerHint(err))
	}
	printStarted(u, f.Name, "It logs to the system's log.")
	return nil
}

// Remove stops and removes the service.
func Remove(_ context.Context, u *term.UI, f Options) error {
	s, err := systemService(f.Name, &program{}, unit.Options{})
	if err != nil {
		return err
	}
	if _, err := s.Status(); errors.Is(err, service.ErrNotInstalled) {
		return fmt.Errorf("%s: %w", f.Name, errNoService)
	}
	_ = s.Stop() // it may not run
	if err := s.Uninstall(); err != nil {
		return fmt.Errorf("service %s: %w%s", f.Name, err, managerHint(err))
	}
	fmt.Fprintf(u.Out, "%s %s is stopped and removed; the records and forwards stay in place.\n", u.Green("Done:"), f.Name)
	return nil
}

// Status prints whether the service runs, and returns it.
func Status(_ context.Context, u *term.UI, f Options) (runs bool, err error) {
	s, err := systemService(f.Name, &program{}, unit.Options{})
	if err != nil {
		return false, err
	}
	status, err := s.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		return false, fmt.Errorf("%s: %w", f.Name, errNoService)
	case err != nil:
		return false, err
	case status != service.StatusRunning:
		fmt.Fprintf(u.Out, "%s: does not run\n", f.Name)
		return false, nil
	}
	fmt.Fprintf(u.Out, "%s: runs\n", f.Name)
	return true, nil
}

// Run runs as the service of a name that the system started: the system ends it, and what u prints on
// standard error goes to the system's log, a line at a time.
func Run(ctx context.Context, u *term.UI, name string, run func(context.Context) error) error {
	p := &program{ctx: ctx, run: run, ended: make(chan error, 1)}
	s, err := systemService(name, p, unit.Options{})
	if err != nil {
		return err
	}
	if log, err := s.Logger(nil); err == nil {
		u.Err = lines(func(line string) { _ = log.Info(line) })
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
