package authdns

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Key is the key that may update and transfer every zone.
type Key struct {
	Name   string // "mailpub."
	Alg    string // "hmac-sha256", the default
	Secret string // base64
}

// Config says what to serve.
type Config struct {
	// Zones holds the text of each zone in zone-file format (RFC 1035 section 5), by
	// zone name. $INCLUDE is refused.
	Zones map[string]string
	// Key may update and transfer. Without one, nobody may.
	Key Key
	// Addr is where to listen, with UDP and TCP alike; the default is an ephemeral
	// port of 127.0.0.1.
	Addr string
	// NoTransfer refuses zone transfers to everybody, the key's holder included.
	NoTransfer bool
	// Logger is told of each update; nil discards.
	Logger *slog.Logger
}

// Server answers until it is closed. Its methods may be called concurrently.
type Server struct {
	cfg   Config
	log   *slog.Logger
	addr  string
	alg   string // canonical name of the key's algorithm
	stops []func() error
	done  sync.WaitGroup
	close sync.Once

	mu    sync.RWMutex
	zones map[string]*zone // replaced whole by an update, never changed
}

// Start serves the zones of cfg until ctx is done or Close is called. It returns once
// both sockets are open.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, log: cfg.Logger, zones: map[string]*zone{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}

	if err := s.setKey(); err != nil {
		return nil, err
	}

	for name, text := range cfg.Zones {
		z, err := parseZone(name, text)
		if err != nil {
			return nil, err
		}
		s.zones[z.origin] = z
	}

	tcp, udp, err := listen(ctx, cfg.Addr)
	if err != nil {
		return nil, err
	}

	s.addr = tcp.Addr().String()
	s.serve(&dns.Server{Listener: tcp})
	s.serve(&dns.Server{PacketConn: udp})
	context.AfterFunc(ctx, func() { s.Close() })

	return s, nil
}

func (s *Server) setKey() error {
	k := &s.cfg.Key
	if k.Name == "" {
		return nil
	}
	if _, err := base64.StdEncoding.DecodeString(k.Secret); err != nil {
		return fmt.Errorf("secret of key %q is not base64", k.Name)
	}

	if k.Alg == "" {
		k.Alg = "hmac-sha256"
	}

	k.Name, s.alg = dns.CanonicalName(k.Name), dns.CanonicalName(k.Alg)
	return nil
}

// listen opens TCP and UDP on the same port. Where the port is ours to choose, the one
// that TCP got may be taken for UDP, so it tries a few.
func listen(ctx context.Context, addr string) (net.Listener, net.PacketConn, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}

	var lc net.ListenConfig
	var failed error
	for range 10 {
		tcp, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, nil, fmt.Errorf("listen on %s: %w", addr, err)
		}

		udp, err := lc.ListenPacket(ctx, "udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp, nil
		}

		tcp.Close()
		failed = fmt.Errorf("listen on %s: %w", addr, err)
	}

	return nil, nil, failed
}

func (s *Server) serve(d *dns.Server) {
	started := make(chan struct{})
	d.Handler = dns.HandlerFunc(s.handle)
	d.MsgAcceptFunc = accept
	d.ReadTimeout = 5 * time.Second
	d.WriteTimeout = 5 * time.Second

	if s.cfg.Key.Name != "" {
		d.TsigSecret = map[string]string{s.cfg.Key.Name: s.cfg.Key.Secret}
	}

	d.NotifyStartedFunc = func() { close(started) }
	failed := make(chan struct{})
	s.done.Go(func() {
		defer close(failed)
		if err := d.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Error("dns server stopped", "addr", s.addr, "err", err)
		}
	})

	select {
	case <-started:
	case <-failed:
	}

	s.stops = append(s.stops, d.Shutdown)
}

// Addr returns host:port, the same for UDP and TCP.
func (s *Server) Addr() string { return s.addr }

// Close stops the server and waits until it is gone. Calling it again does nothing.
func (s *Server) Close() error {
	var errs []error
	s.close.Do(func() {
		for _, stop := range s.stops {
			errs = append(errs, stop())
		}
	})

	s.done.Wait()
	return errors.Join(errs...)
}

// Dump returns the records of a zone without its SOA, as sorted lines of zone-file
// text; nil when there is no such zone.
func (s *Server) Dump(name string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	z := s.zones[dns.CanonicalName(name)]
	if z == nil {
		return nil
	}
	return z.dump()
}

// accept lets updates through, which the library refuses by default. Their sections
// hold as many records as they like.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response = 1 << 15
	switch opcode := int(h.Bits>>11) & 0xF; {
	case h.Bits&response != 0:
		return dns.MsgIgnore
	case opcode != dns.OpcodeQuery && opcode != dns.OpcodeUpdate:
		return dns.MsgRejectNotImplemented
	case h.Qdcount != 1:
		return dns.MsgReject
	}

	return dns.MsgAccept
}

func (s *Server) handle(w dns.ResponseWriter, req *dns.Msg) {
	signed, refusal := s.authenticate(w, req)
	if refusal != nil {
		_ = w.WriteMsg(refusal)
		return
	}

	reply := new(dns.Msg).SetReply(req)
	q := req.Question[0]
	switch {
	case req.Opcode == dns.OpcodeUpdate:
		reply.Rcode = s.update(req, signed)
	case q.Qclass != dns.ClassINET:
		reply.Rcode = dns.RcodeRefused
	case q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR:
		if reply.Rcode = s.transfer(w, req, signed); reply.Rcode == dns.RcodeSuccess {
			return
		}
	default:
		edns := req.IsEdns0()
		s.answer(reply, q, edns != nil && edns.Do())
	}

	s.send(w, req, reply, signed)
}

// send signs what was asked with a signature, and cuts to size what goes by UDP.
func (s *Server) send(w dns.ResponseWriter, req, reply *dns.Msg, signed bool) {
	size := dns.MinMsgSize
	if opt := req.IsEdns0(); opt != nil {
		size = max(size, min(int(opt.UDPSize()), 1232))
		reply.SetEdns0(1232, false)
	}

	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		if signed {
			size -= 128 // room for the signature, which must not be cut off
		}
		reply.Truncate(size)
	}

	if signed {
		t := req.IsTsig()
		reply.SetTsig(t.Hdr.Name, t.Algorithm, t.Fudge, time.Now().Unix())
	}

	if err := w.WriteMsg(reply); err != nil {
		s.log.Warn("dns reply not sent", "to", w.RemoteAddr(), "err", err)
	}
}

// authenticate reports whether the request bears the key's valid signature. A request
// with another signature gets the refusal of RFC 8945 section 5.2, with the unsigned
// TSIG record of section 5.3.2 where there is no key to sign it with.
func (s *Server) authenticate(w dns.ResponseWriter, req *dns.Msg) (signed bool, refusal *dns.Msg) {
	t := req.IsTsig()
	if t == nil {
		return false, nil
	}

	code := uint16(dns.RcodeSuccess)
	switch err := w.TsigStatus(); {
	case s.cfg.Key.Name == "",
		dns.CanonicalName(t.Hdr.Name) != s.cfg.Key.Name,
		dns.CanonicalName(t.Algorithm) != s.alg:
		code = dns.RcodeBadKey
	case errors.Is(err, dns.ErrTime):
		code = dns.RcodeBadTime
	case err != nil:
		code = dns.RcodeBadSig
	default:
		return true, nil
	}

	refusal = new(dns.Msg).SetRcode(req, dns.RcodeNotAuth)
	refusal.SetTsig(t.Hdr.Name, t.Algorithm, t.Fudge, int64(t.TimeSigned))
	sig := refusal.IsTsig()
	sig.OrigId = req.Id
	sig.Error = code

	if code == dns.RcodeBadTime {
		sig.OtherLen, sig.OtherData = 6, fmt.Sprintf("%012x", time.Now().Unix())
	}

	return false, refusal
}
