package receiver

import (
	"context"
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

// Server is the receiver. The fields are set before Serve and not changed after.
type Server struct {
	SettingsPath string // a file of Settings, re-read when it changes; need not be there yet
	Hostname     string // of the greeting as long as there are no settings
	Maildir      string // directory of the mailboxes

	MaxSize        int64         // octets of a message; default 50 MiB
	MaxRecipients  int           // of a message; default 100, the least that RFC 5321 section 4.5.3.1.8 allows
	MaxConnections int           // at the same time; default 200
	IdleTimeout    time.Duration // default 5 min, as RFC 5321 section 4.5.3.2.7 wants
	StopTimeout    time.Duration // for sessions to end when Serve stops; default 3 s

	Logger    *slog.Logger     // default: discards
	Now       func() time.Time // default time.Now
	Delivered func(Message)    // told of each stored message, one at a time; may be nil

	settings source
	maildir  maildir
	count    atomic.Uint64
	telling  sync.Mutex
}

// Serve receives on l until ctx is done, then lets sessions end for StopTimeout. It
// closes l, and returns nil unless l fails. No goroutine of it is left.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.fillIn()
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	server.Domain = s.hostname()
	server.MaxMessageBytes = s.MaxSize
	server.MaxRecipients = s.MaxRecipients
	server.ReadTimeout, server.WriteTimeout = s.IdleTimeout, s.IdleTimeout
	server.EnableSMTPUTF8 = true
	server.ErrorLog = slog.NewLogLogger(s.log().Handler(), slog.LevelDebug)

	gate := &limitedListener{Listener: l, server: s, free: make(chan struct{}, s.MaxConnections)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(gate) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.Background(), s.StopTimeout)
	defer cancel()
	if server.Shutdown(stop) != nil {
		gate.closeAll()
	}
	gate.wait()
	if err == nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("receiver: %w", err)
}

func (s *Server) fillIn() {
	if s.MaxSize == 0 {
		s.MaxSize = 50 << 20
	}
	if s.MaxRecipients == 0 {
		s.MaxRecipients = 100
	}
	if s.MaxConnections == 0 {
		s.MaxConnections = 200
	}
	if s.IdleTimeout == 0 {
		s.IdleTimeout = 5 * time.Minute
	}
	if s.StopTimeout == 0 {
		s.StopTimeout = 3 * time.Second
	}
	s.maildir.root = s.Maildir
	s.settings.path = s.SettingsPath
	s.settings.report = func(err error) { s.log().Error("settings", "error", err) }
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
	s.telling.Lock()
	defer s.telling.Unlock()
	s.Delivered(m)
}

// unique returns a file name that no other message of this Maildir has.
func (s *Server) unique(now time.Time) string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	host = strings.NewReplacer("/", "_", ":", "_", `\`, "_").Replace(host)
	return fmt.Sprintf("%d.M%06dP%dQ%d.%s", now.Unix(), now.Nanosecond()/1000, os.Getpid(), s.count.Add(1), host)
}

// limitedListener accepts up to a number of connections at a time; a further one is told
// to come back (421, RFC 5321 section 3.1) and closed.
type limitedListener struct {
	net.Listener
	server *Server
	free   chan struct{}

	mu    sync.Mutex
	conns map[*wire]struct{}
	done  sync.WaitGroup
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
		default:
			l.server.log().Warn("too many connections", "remote", conn.RemoteAddr())
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			io.WriteString(conn, "421 4.3.2 "+l.server.hostname()+" has too many connections, please come back later\r\n")
			conn.Close()
			continue
		}
		l.done.Add(1)
		w := newWire(conn, l.server.hostname())
		l.mu.Lock()
		if l.conns == nil {
			l.conns = map[*wire]struct{}{}
		}
		l.conns[w] = struct{}{}
		l.mu.Unlock()
		w.closed = func() {
			l.mu.Lock()
			delete(l.conns, w)
			l.mu.Unlock()
			<-l.free
			l.done.Done()
		}
		return w, nil
	}
}

// closeAll tells those still there that it is over (421), and closes them.
func (l *limitedListener) closeAll() {
	l.mu.Lock()
	var left []*wire
	for w := range l.conns {
		left = append(left, w)
	}
	l.mu.Unlock()
	for _, w := range left {
		w.Conn.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(w.Conn, "421 4.3.2 "+w.hostname+" is shutting down\r\n")
		w.Close()
	}
}

func (l *limitedListener) wait() { l.done.Wait() }
