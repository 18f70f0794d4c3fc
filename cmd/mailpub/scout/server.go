package scout

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan/egress"
)

// Port is one that mail servers serve.
type Port struct {
	Name     string `json:"name"`
	Number   uint16 `json:"port"`               // outside
	Internal uint16 `json:"internal,omitempty"` // of the server itself, where that is another
}

// Inside returns the server's own port.
func (p Port) Inside() uint16 { return cmp.Or(p.Internal, p.Number) }

// Ports returns the ports that are looked at: those of mail, of MDaemon's web pages, and more.
func Ports(more []Port) []Port {
	all := []Port{
		{Name: "smtp", Number: 25}, {Name: "submissions", Number: 465},
		{Name: "submission", Number: 587},
		{Name: "pop3", Number: 110}, {Name: "pop3s", Number: 995}, {Name: "imap", Number: 143},
		{Name: "imaps", Number: 993},
		{Name: "sieve", Number: 4190}, {Name: "worldclient", Number: 3000},
		{Name: "webadmin", Number: 1000},
	}

	for _, m := range more {
		if i := slices.IndexFunc(all, func(p Port) bool {
			return p.Number == m.Number
		}); i >= 0 {
			all[i].Internal = m.Internal
			continue
		}

		all = append(all, Port{cmp.Or(m.Name, fmt.Sprintf("port%d", m.Number)), m.Number,
			m.Internal})
	}

	slices.SortFunc(all, func(a, b Port) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// Server is the mail server, as far as it is seen from this machine.
type Server struct {
	Address   netip.Addr `json:"address,omitzero"`
	Here      bool       `json:"here"`                // the address is this machine's
	Greeting  string     `json:"greeting,omitempty"`  // of SMTP
	Name      string     `json:"name,omitempty"`      // that it greets with
	Kind      string     `json:"kind,omitempty"`      // as service.type has it, by the greeting
	Silent    string     `json:"silent,omitempty"`    // why there is no greeting
	Installed []string   `json:"installed,omitempty"` // kinds of servers on this machine, running or not
	Listens   []Port     `json:"listens"`
}

// connecting is how long a port of the LAN has to answer.
const connecting = 2 * time.Second

func detectServer(ctx context.Context, o Options) Server {
	s := Server{Address: o.Address, Installed: mailsvc.Installed()}
	if own, err := net.InterfaceAddrs(); err == nil {
		s.Here = slices.ContainsFunc(own, func(a net.Addr) bool {
			p, err := netip.ParsePrefix(a.String())
			return err == nil && p.Addr().Unmap() == o.Address
		})
	}

	if !o.Address.IsValid() {
		s.Silent = "the server's address is not known"
		return s
	}

	ports := Ports(o.Ports)
	open := make([]bool, len(ports))
	var wg sync.WaitGroup

	for i, p := range ports {
		wg.Go(func() {
			at := netip.AddrPortFrom(o.Address, p.Inside()).String()
			if p.Number == 25 {
				s.greet(ctx, at)
			}

			ctx, cancel := context.WithTimeout(ctx, connecting)
			defer cancel()

			conn, err := egress.Dialer().DialContext(ctx, "tcp", at)
			if open[i] = err == nil; open[i] {
				conn.Close()
			}
		})
	}

	wg.Wait()
	for i, p := range ports {
		if open[i] {
			s.Listens = append(s.Listens, p)
		}
	}

	return s
}

// greet reads the greeting at port 25.
func (s *Server) greet(ctx context.Context, at string) {
	r, err := smtpclient.Greeting(ctx, nil, at)
	if err != nil {
		s.Silent = smtpclient.ErrorText(err)
		return
	}
	s.Greeting, s.Name, s.Kind = r.String(), r.Name(), mailsvc.TypeOf(r)
}

// Egress is a mail server outside at which port 25 was tried.
type Egress struct {
	Server string `json:"server"`
	Says   string `json:"says,omitempty"`   // its greeting
	Silent string `json:"silent,omitempty"` // why there is none
}

func detectEgress(ctx context.Context, servers []string) []Egress {
	out := make([]Egress, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		wg.Go(func() {
			at := server
			if _, _, err := net.SplitHostPort(at); err != nil {
				at = net.JoinHostPort(server, strconv.Itoa(25))
			}

			out[i].Server = server
			if r, err := smtpclient.Greeting(ctx, nil, at); err != nil {
				out[i].Silent = err.Error()
			} else {
				out[i].Says = r.String()
			}
		})
	}

	wg.Wait()
	return out
}
