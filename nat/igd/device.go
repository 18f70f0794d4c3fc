// Package igd is an Internet gateway device (UPnP IGD 1 or 2) inside the process: a
// router on loopback that speaks SOAP, may answer SSDP, and really forwards TCP. The
// demo shows mailpub on it without root and without a network, and tests put faults
// into it that no real router shows on demand.
//
// It knows the actions that map ports and the ones that tell the address; no IPv6
// firewall, no events, and UDP mappings are kept but carry nothing. It behaves like
// miniupnpd, the most common one, where the standard leaves a choice.
package igd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Config is how a Device behaves. The zero value is an IGD 2 that has no usable WAN
// address and so refuses every mapping, as a router behind another router does.
type Config struct {
	External netip.Addr // the WAN address it tells
	Version  int        // of the device and its service: 2 (also 0) or 1
	Name     string     // friendlyName; default "mailpub demo router"
	Service  string     // type of its service; default WANIPConnection of its version

	// Secure lets a host map ports to itself only.
	Secure bool

	// Listen is the address of the description and control URLs; default "127.0.0.1:0".
	Listen string
	// SSDP, when not empty, is the UDP address where searches are answered, such as
	// "127.0.0.1:0". It is not a multicast group: nobody finds the device by accident.
	SSDP string

	// Dial connects to the host inside that a mapping names; default net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock of leases; default time.Now.
	Now    func() time.Time
	Logger *slog.Logger // default: discards
}

// Device is a running device. Its methods may be called concurrently.
type Device struct {
	cfg     Config
	ctx     context.Context
	cancel  context.CancelFunc
	http    *http.Server
	web     net.Listener
	ssdp    *net.UDPConn
	running sync.WaitGroup

	mu       sync.Mutex
	mappings map[port]*mapping
	fault    func(Call) Fault
}

// Start starts a device, which runs until Close or until ctx is done.
func Start(ctx context.Context, cfg Config) (*Device, error) {
	if cfg.Version == 0 {
		cfg.Version = 2
	}

	if cfg.Version != 1 && cfg.Version != 2 {
		return nil, fmt.Errorf("igd version %d is not 1 or 2", cfg.Version)
	}

	if cfg.Name == "" {
		cfg.Name = "mailpub demo router"
	}

	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}

	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}

	if cfg.Now == nil {
		cfg.Now = time.Now
	}

	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}

	d := &Device{cfg: cfg, mappings: map[port]*mapping{}}
	d.ctx, d.cancel = context.WithCancel(ctx)
	var err error
	if d.web, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen); err != nil {
		d.cancel()
		return nil, fmt.Errorf("igd: %w", err)
	}

	if cfg.SSDP != "" {
		if err := d.listenSSDP(); err != nil {
			d.cancel()
			d.web.Close()
			return nil, fmt.Errorf("igd: %w", err)
		}
	}

	d.serve()
	return d, nil
}

func (d *Device) serve() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+descriptionPath, d.serveDescription)
	mux.HandleFunc("POST "+controlPath, d.serveControl)
	d.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		ErrorLog:          slog.NewLogLogger(d.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return d.ctx },
	}

	d.running.Go(func() { _ = d.http.Serve(d.web) })
	if d.ssdp != nil {
		d.running.Go(d.answerSearches)
	}

	d.running.Go(func() {
		<-d.ctx.Done()
		d.http.Close()
		if d.ssdp != nil {
			d.ssdp.Close()
		}
		d.Reboot()
	})
}

// URL is where the description is: what router.url takes.
func (d *Device) URL() string { return "http://" + d.web.Addr().String() + descriptionPath }

// SearchAddr is where the device answers SSDP searches; invalid without Config.SSDP.
func (d *Device) SearchAddr() netip.AddrPort {
	if d.ssdp == nil {
		return netip.AddrPort{}
	}
	return d.ssdp.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Close ends the device and every connection through it, and returns when nothing
// of it runs any more. It may be called again.
func (d *Device) Close() error {
	d.cancel()
	d.running.Wait()
	return nil
}
