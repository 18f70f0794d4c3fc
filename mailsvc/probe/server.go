package probe

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/netaddr"
)

// runTimeout bounds one look, and callTimeout a whole request.
const (
	runTimeout  = 90 * time.Second
	callTimeout = runTimeout + 10*time.Second
)

// Server answers requests. Its fields are set before it is used; it is an http.Handler and safe
// for concurrent use.
type Server struct {
	Tokens map[string]string // by site: what its requests bear; at least 20 octets each

	// MX returns the hosts that a domain's mail goes to, the first to be tried first, and
	// Addresses the addresses of a host. Both ask DNS as it is seen from here.
	MX        func(ctx context.Context, domain string) ([]string, error)
	Addresses func(ctx context.Context, host string) ([]netip.Addr, error)

	Pause   time.Duration // minimum time between two checks of one address; zero: 30 s
	PerHour int           // looks for one site; zero: 60
	AtOnce  int           // looks for everybody together; zero: 8

	// Allowed says why an address is not checked, or ""; nil takes every public one.
	Allowed func(netip.Addr) string

	Dial   smtpclient.Dial // nil dials
	Now    func() time.Time
	Logger *slog.Logger

	once    sync.Once
	mu      sync.Mutex
	last    map[netip.Addr]time.Time // of the last look at an address
	running map[netip.Addr]bool
	looks   map[string][]time.Time // of the last hour, by site
	free    chan struct{}
	notices refusalLog
}

func (s *Server) fillIn() {
	s.last = map[netip.Addr]time.Time{}
	s.running = map[netip.Addr]bool{}
	s.looks = map[string][]time.Time{}

	if s.Pause == 0 {
		s.Pause = 30 * time.Second
	}

	if s.PerHour == 0 {
		s.PerHour = 60
	}

	if s.AtOnce == 0 {
		s.AtOnce = 8
	}

	if s.Allowed == nil {
		s.Allowed = netaddr.NotPublic
	}

	if s.Dial == nil {
		s.Dial = egress.Dialer().DialContext
	}

	if s.Now == nil {
		s.Now = time.Now
	}

	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}

	s.free = make(chan struct{}, s.AtOnce)
}

// HTTP returns a server that bounds what a client may take: slow, large and idle requests.
func (s *Server) HTTP() *http.Server {
	s.once.Do(s.fillIn)
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      callTimeout,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
}

// refusal is an answer that says why there is none.
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return r.text }

// ServeHTTP implements http.Handler: POST /v1/look.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.fillIn)
	// The connection's own address, whatever headers say.
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	site := ""
	var answer Answer
	if err == nil {
		site, answer, err = s.handle(r, peer.Addr().Unmap())
	}

	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	var no refusal

	switch {
	case errors.As(err, &no):
		ok, leftOut := s.notices.allow(peer.Addr().Unmap(), s.Now())
		if leftOut > 0 {
			s.Logger.Warn("further refusals were not logged", "count", leftOut)
		}

		if ok {
			s.Logger.Info("refused", "remote", peer.Addr(), "site", site, "status", no.code,
				"why", no.text)
		}

		if no.code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", fmt.Sprint(int(s.Pause/time.Second)))
		}

		w.WriteHeader(no.code)
		json.NewEncoder(w).Encode(map[string]string{"format": Format, "error": no.text})
	case err != nil:
		s.Logger.Warn("failed", "remote", peer.Addr(), "site", site, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(map[string]string{"format": Format,
			"error": "the probe failed; its log says why"})
	default:
		json.NewEncoder(w).Encode(answer)
	}
}

func (s *Server) handle(r *http.Request, target netip.Addr) (site string, a Answer, err error) {
	if site = s.siteOf(r); site == "" {
		return "", a, refusal{http.StatusUnauthorized, "no site has this token"}
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/look" {
		return site, a, refusal{http.StatusNotFound, "want POST /v1/look"}
	}

	var req Request
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxRequest))
	body.DisallowUnknownFields()
	if err := body.Decode(&req); err != nil {
		return site, a, refusal{http.StatusBadRequest,
			"the request can't be read: " + err.Error()}
	}
	if err := req.check(); err != nil {
		return site, a, refusal{http.StatusBadRequest, err.Error()}
	}

	a = Answer{Format: Format, Seen: target, From: s.requestAddresses(r)}
	if len(req.Ports)+len(req.Domains) == 0 { // only which address it is
		return site, a, nil
	}
	if why := s.Allowed(target); why != "" {
		return site, a, refusal{http.StatusForbidden,
			fmt.Sprintf("%s is %s: the probe checks public addresses only", target, why)}
	}

	leave, err := s.acquire(site, target)
	if err != nil {
		return site, a, err
	}

	defer leave()

	ctx, cancel := context.WithTimeout(r.Context(), runTimeout)
	defer cancel()

	s.Logger.Info("look", "site", site, "target", target, "hostname", req.Hostname, "domains",
		req.Domains, "ports", len(req.Ports), "message", req.Message)

	s.check(ctx, req, &a)
	return site, a, ctx.Err()
}

// siteOf returns whose token a request bears. It takes as long for a wrong one as for a right one.
func (s *Server) siteOf(r *http.Request) (site string) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	is := sha256.Sum256([]byte(token))
	for name, t := range s.Tokens {
		want := sha256.Sum256([]byte(t))
		if subtle.ConstantTimeCompare(is[:], want[:]) == 1 {
			site = name
		}
	}

	return site
}

// requestAddresses returns the address that the request came to: it is the one that others see, unless the
// probe itself is translated.
func (s *Server) requestAddresses(r *http.Request) []netip.Addr {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return nil
	}

	a, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return nil
	}

	return []netip.Addr{a.Addr().Unmap()}
}

// acquire lets a look begin: one at a time for an address, and not too often.
func (s *Server) acquire(site string, target netip.Addr) (leave func(), err error) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()

	recent := s.looks[site][:0]
	for _, t := range s.looks[site] {
		if now.Sub(t) < time.Hour {
			recent = append(recent, t)
		}
	}

	s.looks[site] = recent
	for a, t := range s.last {
		if now.Sub(t) > s.Pause {
			delete(s.last, a)
		}
	}

	switch {
	case s.running[target]:
		return nil, refusal{http.StatusTooManyRequests,
			fmt.Sprintf("a check of %s is already running", target)}
	case !s.last[target].IsZero():
		return nil, refusal{http.StatusTooManyRequests,
			fmt.Sprintf("%s was checked less than %v ago", target, s.Pause)}
	case len(recent) >= s.PerHour:
		return nil, refusal{http.StatusTooManyRequests,
			fmt.Sprintf("%d looks within an hour: wait a while", len(recent))}
	}

	select {
	case s.free <- struct{}{}:
	default:
		return nil, refusal{http.StatusTooManyRequests,
			"the probe is busy: try again in a minute"}
	}

	s.running[target] = true
	s.looks[site] = append(recent, now)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, target)
		s.last[target] = s.Now()
		<-s.free
	}, nil
}

// check looks at the target. Names that do not lead to it are not spoken to it.
func (s *Server) check(ctx context.Context, req Request, a *Answer) {
	o := check.ExternalTarget{
		Target:   a.Seen,
		Hostname: req.Hostname,
		Dial:     s.dialOnly(a.Seen),
		Now:      s.Now,
	}

	for _, p := range req.Ports {
		o.Ports = append(o.Ports, check.Service{
			Name: p.Name,
			Addr: netip.AddrPortFrom(a.Seen, p.Number).String(),
		})
	}

	var first []check.Hop
	for i, d := range req.Domains {
		hops, leads := s.followMX(ctx, d, a.Seen)
		if leads {
			o.Domains = append(o.Domains, d)
		}
		if i == 0 {
			first = hops
		}
	}

	a.Checks = check.CheckExternal(ctx, o)
	if !req.Message {
		return
	}

	a.Hops = first
	if len(o.Domains) > 0 && o.Domains[0] == req.Domains[0] {
		a.Word = strings.ToLower(rand.Text())
		a.Hops = append(a.Hops, o.Send(ctx, req.Domains[0], a.Word)...)
	}
}

// dialOnly connects to one address, whatever it is asked for.
func (s *Server) dialOnly(target netip.Addr) smtpclient.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(address)
		if err != nil || to.Addr() != target {
			return nil, fmt.Errorf("%s is not %s", address, target)
		}
		return s.Dial(ctx, network, address)
	}
}

// followMX follows a domain's mail to its first exchanger, as a sender does, and reports whether it
// comes to target.
func (s *Server) followMX(ctx context.Context, domain string, target netip.Addr) (hops []check.Hop, leads bool) {
	hosts, err := s.MX(ctx, domain)
	if err != nil || len(hosts) == 0 {
		said := "none"
		if err != nil {
			said = err.Error()
		}
		return append(hops, check.Hop{Name: "MX", Said: said}), false
	}

	hops = append(hops, check.Hop{Name: "MX", OK: true, Said: strings.Join(hosts, ", ")})
	addrs, err := s.Addresses(ctx, hosts[0])
	hop := check.Hop{Name: "address", Said: fmt.Sprintf("%s has no address", hosts[0])}
	if err != nil {
		hop.Said = err.Error()
	}

	for _, a := range addrs {
		hop.Said = fmt.Sprintf("%s is %s, but who asks is %s", hosts[0], a, target)
		if a.Unmap() == target {
			hop.OK = true
			hop.Said = a.String()
			break
		}
	}

	return append(hops, hop), hop.OK
}
