package receiver

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is the receiver. The fields are set before Serve and not changed after. A
// Server serves once.
type Server struct {
	SettingsPath string // a file of Settings, re-read when it changes; need not be there yet
	Hostname     string // of the greeting as long as there are no settings
	Maildir      string // directory of the mailboxes

	// TLS returns what STARTTLS is offered with (RFC 3207); nil, the function or what it
	// returns: not at all.
	TLS func() *tls.Config

	// MinTLS is the lowest version of TLS that is taken, as in package crypto/tls; default
	// TLS 1.2.
	MinTLS uint16

	MaxSize        int64         // octets of a message; default 50 MiB
	MaxRecipients  int           // of a message; default 1000; RFC 5321 section 4.5.3.1.8 allows no less than 100
	MaxConnections int           // at the same time; default 200
	MaxPerAddress  int           // of these, from one address outside the own network; default 50
	MaxRate        int           // connections and further messages on them from such an address, a minute; default 300
	IdleTimeout    time.Duration // between commands or parts of a message; default 5 min (RFC 5321 section 4.5.3.2.7)
	MessageTimeout time.Duration // for a whole message; default 1 h
	SessionTimeout time.Duration // without a message; default 15 min
	StopTimeout    time.Duration // for messages under way to end when Serve stops; default 3 s

	Logger    *slog.Logger     // default: discards
	Now       func() time.Time // default time.Now
	Delivered func(Message)    // told of each stored message, one at a time; may be nil
	Refused   func(Refusal)    // told of each reply of 4xx and 5xx, one at a time with Delivered; may be nil

	// Judge, when set, looks at each message before it is stored. It returns header fields to
	// put on top, each with its line end, and the message as it is to be stored, which it may
	// make out of the one it is handed. It is called concurrently.
	Judge func(ctx context.Context, m Message, message io.ReadSeeker) (header string, stored io.Reader, err error)

	context  context.Context // of Serve
	settings source
	maildir  maildir
	host     string // this machine, in names of messages
	run      string // this Serve, in names of messages
	count    atomic.Uint64
	door     *connLimiter
	telling  sync.Mutex
	storing  sync.RWMutex // read-locked by each message being stored
	quotas   quotas
	counters counters

	tlsMu             sync.Mutex
	tlsGiven, tlsUsed *tls.Config
}

// Serve receives on l until ctx is done. Then sessions that wait for a command end at
// once, and those with a message under way have StopTimeout for it. Serve closes l, and
// returns nil unless l fails. No goroutine of it is left.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.fillIn()
	s.context = ctx
	if s.maildir.crashed() {
		if err := s.maildir.open(); err != nil { // each message tries again, and is not taken before
			s.log().Error("storing", "error", err)
		}
	}

	s.door = newConnLimiter(s)
	ended := make(chan error, 1)
	go func() { ended <- s.accept(ctx, l) }()
	var err error

	select {
	case err = <-ended:
	case <-ctx.Done():
		l.Close()
		<-ended
	}

	s.door.stop()
	left := make(chan struct{})
	go func() {
		s.door.gone.Wait()
		close(left)
	}()

	select {
	case <-left:
	case <-time.After(s.StopTimeout):
		s.door.abort()
		<-left
	}

	s.maildir.close()
	if err == nil || errors.Is(err, net.ErrClosed) {
		return nil
	}

	return fmt.Errorf("receiver: %w", err)
}

// accept lets clients in until the listener fails.
func (s *Server) accept(ctx context.Context, l net.Listener) error {
	defer l.Close()

	for {
		raw, err := l.Accept()
		switch {
		case err == nil:
			s.door.admit(ctx, raw)
		case isTemporary(err): // out of descriptors, say
			s.log().Warn("accepting", "error", err)
			time.Sleep(acceptAgain)
		default:
			return err
		}
	}
}

// acceptAgain is how long to wait after an error that passes.
const acceptAgain = 50 * time.Millisecond

// isTemporary reports whether an error of Accept passes by itself. net.Error's Temporary is
// deprecated for its vagueness; here it means just this.
func isTemporary(err error) bool {
	var passing interface{ Temporary() bool }
	return errors.As(err, &passing) && passing.Temporary() && !errors.Is(err, net.ErrClosed)
}

// patience is how long a client may be silent now.
func (s *Server) patience() time.Duration {
	if s.door.isStressed() {
		return min(s.IdleTimeout, stressTimeout)
	}
	return s.IdleTimeout
}

func (s *Server) fillIn() {
	fillIn(&s.MaxSize, 50<<20)
	fillIn(&s.MaxRecipients, 1000)
	fillIn(&s.MaxConnections, 200)
	fillIn(&s.MaxPerAddress, 50)
	fillIn(&s.MaxRate, 300)
	s.quotas.connections = s.MaxPerAddress
	s.quotas.rate = s.MaxRate
	fillIn(&s.IdleTimeout, 5*time.Minute)
	fillIn(&s.MessageTimeout, time.Hour)
	fillIn(&s.SessionTimeout, 15*time.Minute)

	if s.MinTLS == 0 {
		s.MinTLS = tls.VersionTLS12
	}

	fillIn(&s.StopTimeout, 3*time.Second)
	if s.maildir.disk == nil {
		s.maildir.disk = osDisk{}
	}

	s.maildir.root = s.Maildir
	s.maildir.synced = s.counters.synced
	s.maildir.failed = func(err error) { s.log().Warn("storing", "error", err) }
	s.maildir.restored = func(name, mailbox string) {
		s.log().Warn("message written again out of the commit log", "id", name, "mailbox",
			mailbox)
	}

	s.settings.path = s.SettingsPath
	s.settings.report = func(err error) { s.log().Error("settings", "error", err) }
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}

	if s.Hostname == "" {
		s.Hostname = host
	}

	s.host = strings.NewReplacer("/", "_", ":", "_", `\`, "_").Replace(host)
	s.run = rand.Text()[:10]
}

// fillIn puts a default in the place of a limit that is not set.
func fillIn[N int | int64 | time.Duration](field *N, value N) {
	if *field <= 0 {
		*field = value
	}
}

// tlsConfig is what STARTTLS is offered with now, with the versions and ciphers of MinTLS.
func (s *Server) tlsConfig() *tls.Config {
	if s.TLS == nil {
		return nil
	}

	given := s.TLS()
	if given == nil {
		return nil
	}

	s.tlsMu.Lock()
	defer s.tlsMu.Unlock()

	if given != s.tlsGiven {
		s.tlsGiven = given
		s.tlsUsed = given.Clone()
		s.tlsUsed.MinVersion = s.MinTLS
		s.tlsUsed.CipherSuites = cipherSuites(s.MinTLS)
	}

	return s.tlsUsed
}

// cipherSuites are those of TLS 1.2 and before that senders of mail need: Go's own, and RSA key
// exchange with AES, which many appliances know alone. TLS here is opportunistic, and the other
// choice of such a sender is the clear (RFC 7435). Below TLS 1.2 come those of 3DES.
func cipherSuites(minimum uint16) (ids []uint16) {
	for _, c := range tls.CipherSuites() {
		ids = append(ids, c.ID)
	}

	ids = append(ids,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	)

	if minimum < tls.VersionTLS12 {
		ids = append(ids, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
			tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA)
	}

	return ids
}

func (s *Server) log() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// hostname is what the receiver calls itself now.
func (s *Server) hostname() string {
	if set, ok := s.settings.get(); ok && set.Hostname != "" {
		return set.Hostname
	}
	return s.Hostname
}

func (s *Server) delivered(m Message) {
	if s.Delivered == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.Delivered(m)
}

// unique returns a file name that no other message of this Maildir has: time, process,
// place in it, and a random word, since a container's processes all have number 1.
func (s *Server) unique(now time.Time) string {
	return fmt.Sprintf("%d.M%06dP%dQ%dR%s.%s", now.Unix(), now.Nanosecond()/1000, os.Getpid(),
		s.count.Add(1), s.run, s.host)
}
