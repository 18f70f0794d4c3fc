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

	"github.com/emersion/go-smtp"
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

	MaxSize        int64         // octets of a message; default 50 MiB
	MaxRecipients  int           // of a message; default 100, the least that RFC 5321 section 4.5.3.1.8 allows
	MaxConnections int           // at the same time; default 200
	MaxPerAddress  int           // of these, from one address outside the own network; default 50
	MaxRate        int           // connections and further messages on them from such an address, a minute; default 300
	IdleTimeout    time.Duration // between commands or parts of a message; default 5 min (RFC 5321 section 4.5.3.2.7)
	MessageTimeout time.Duration // for a whole message; default 1 h
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
	telling  sync.Mutex
	storing  sync.RWMutex // read-locked by each message being stored
	quotas   quotas
	counters counters
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
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		session := &session{server: s, wire: c.Conn().(*wire), conn: c}
		session.wire.session = session
		return session, nil
	}))
	server.Domain = s.Hostname
	server.MaxRecipients = s.MaxRecipients
	server.MaxLineLength = 0 // wire bounds commands; messages have lines of any length
	server.ReadTimeout, server.WriteTimeout = s.IdleTimeout, s.IdleTimeout
	server.EnableSMTPUTF8 = true
	server.AllowInsecureAuth = true // there is none: AUTH is answered 504, not "use TLS"
	server.ErrorLog = slog.NewLogLogger(s.log().Handler(), slog.LevelDebug)

	g := &gate{Listener: l, server: s, free: make(chan struct{}, s.MaxConnections), inside: map[*wire]bool{}}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(g) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		g.Close()
		<-ended
	}
	g.stop()
	left := make(chan struct{})
	go func() {
		server.Shutdown(context.Background()) // returns once every session has ended
		close(left)
	}()
	select {
	case <-left:
	case <-time.After(s.StopTimeout):
		g.abort()
		<-left
	}
	s.storing.Lock() // a message that came by BDAT is stored beside its session
	defer s.storing.Unlock()
	s.maildir.close()
	if err == nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("receiver: %w", err)
}

func (s *Server) fillIn() {
	fillIn(&s.MaxSize, 50<<20)
	fillIn(&s.MaxRecipients, 100)
	fillIn(&s.MaxConnections, 200)
	fillIn(&s.MaxPerAddress, 50)
	fillIn(&s.MaxRate, 300)
	s.quotas.connections, s.quotas.rate = s.MaxPerAddress, s.MaxRate
	fillIn(&s.IdleTimeout, 5*time.Minute)
	fillIn(&s.MessageTimeout, time.Hour)
	fillIn(&s.StopTimeout, 3*time.Second)
	if s.maildir.disk == nil {
		s.maildir.disk = osDisk{}
	}
	s.maildir.root = s.Maildir
	s.maildir.synced = s.counters.synced
	s.maildir.failed = func(err error) { s.log().Warn("storing", "error", err) }
	s.maildir.restored = func(name, mailbox string) {
		s.log().Warn("message written again out of the commit log", "id", name, "mailbox", mailbox)
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

func (s *Server) limits() limits {
	return limits{size: s.MaxSize, idle: s.IdleTimeout, message: s.MessageTimeout}
}

func (s *Server) tls() *tls.Config {
	if s.TLS == nil {
		return nil
	}
	return s.TLS()
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
	return fmt.Sprintf("%d.M%06dP%dQ%dR%s.%s", now.Unix(), now.Nanosecond()/1000, os.Getpid(), s.count.Add(1), s.run, s.host)
}
