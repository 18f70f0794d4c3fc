// Package mdaemontest is a stand-in for an MDaemon, made from what is known of one: its App folder with
// semaphores, its XML API, and what it does by SMTP.
//
// The files, semaphores and operations are those that the vendor documents or that were seen at work. The
// keys in section [StandIn] of MDaemon.ini are made up: where a real one keeps these settings is not
// published, which is what mailpub's learning is for.
package mdaemontest

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtptest"
)

// Login of the stand-in's global administrator.
const (
	User     = "admin@nomeazienda.it"
	Password = "s3cret & more"
)

// Version of the MDaemon that the stand-in plays.
const Version = "26.0.1"

// Server is a running stand-in.
type Server struct {
	Root string // C:\MDaemon
	App  string // C:\MDaemon\App
	SMTP string // host:port
	API  *httptest.Server

	mu     sync.Mutex
	faults Faults
	loaded map[string][]byte // files as they were last loaded
	taken  []string          // semaphores
	calls  []string          // operations
}

// Faults are what can be wrong with the stand-in.
type Faults struct {
	Stopped   bool                       // nothing is taken and nothing answers
	Refuse    func(operation string) int // HTTP status of a call that is refused; 0 is none
	Session   func(file string) []byte   // what an open configuration session writes over a file after a reload; nil for nothing
	NoEffect  bool                       // what is reloaded is not heeded
	Localised bool                       // messages in Italian
}

// Break makes something wrong from now on.
func (s *Server) Break(change func(*Faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.faults)
}

func (s *Server) broken() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// Start makes a stand-in with its folder and runs it until the test ends. The domain nomeazienda.it has
// the accounts admin and mario.
func Start(t *testing.T) *Server {
	t.Helper()
	root := filepath.Join(t.TempDir(), "MDaemon")
	s := &Server{Root: root, App: filepath.Join(root, "App"), loaded: map[string][]byte{}}

	for _, dir := range []string{"App", "Logs",
		filepath.Join("Users", "nomeazienda.it", "admin"),
		filepath.Join("Users", "nomeazienda.it", "mario"),
		filepath.Join("Docs", "API", "XML API")} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	for name, text := range files() {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	s.reload()
	s.SMTP = smtptest.Serve(t, s.serveSMTP)
	s.API = s.startAPI(t)
	done := make(chan struct{})
	ended := make(chan struct{})
	go s.watch(done, ended)
	t.Cleanup(func() {
		close(done)
		<-ended
	})

	return s
}

// files are what the folder holds at the start. One line is in code page 1252.
func files() map[string]string {
	user := func(domain, mailbox string) string {
		record := fmt.Sprintf("%-45s%-30s%-30s%-90s%-20s", domain, mailbox, mailbox,
			`C:\MDaemon\Users\`+domain+`\`+mailbox+`\`, "REVERSIBLE")
		return record + strings.Repeat("N", 20) + "\r\n"
	}

	help := func(elements ...string) string {
		text := "<MDaemon><API><Help>"
		for _, e := range elements {
			text += "&lt;" + e + "&gt;"
		}
		return text + "</Help></API></MDaemon>"
	}

	docs := filepath.Join("Docs", "API", "XML API") + string(filepath.Separator)
	return map[string]string{
		filepath.Join("App", "MDaemon.ini"): "[Directories]\r\nRaw=C:\\MDaemon\\Queues\\Raw\\\r\n\r\n[Special]\r\nMinPasswordLength=6\r\nCompany=Societ\xe0 Esempio\r\n\r\n" +
			"[StandIn]\r\nNoRelay=No\r\nMailMustExist=No\r\nRcptMustExist=No\r\nPostmasterAuth=No\r\nStrongPasswords=No\r\nDeliver=1\r\nFQDN=localhost\r\nSaved=0\r\n",
		filepath.Join("App", "Alias.dat"):      "; aliases\r\nMDaemon@$LOCALDOMAIN$ = admin@nomeazienda.it\r\nsales*@nomeazienda.it = mario@nomeazienda.it\r\n",
		filepath.Join("App", "TrustedIPs.dat"): "127.0.0.1\r\n",
		filepath.Join("App", "IPShield.dat"):   "example.com\t10.0.0.1\r\n",
		filepath.Join("App", "userlist.dat"): user("nomeazienda.it",
			"admin") + user("nomeazienda.it", "mario"),
		filepath.Join("Logs", "MDaemon-2026-11-28-SMTP-(in).log"): "----\r\nSTART Event Log / MDaemon PRO v" +
			Version + ", SMTP (in) log information\r\n----\r\n",
		docs + "Help_UpdateUser_RES.xml": help("Domain", "Mailbox",
			"AddAliases", "RemoveAliases", "Alias"),
		docs + "Help_CreateDomain_RES.xml":  help("Domain"),
		docs + "Help_DeleteDomain_RES.xml":  help("Domain"),
		filepath.Join("App", "Domains.dat"): "nomeazienda.it\r\n",
		filepath.Join("App", "readme.txt"):  "not a setting\r\n",
	}
}

// watch takes semaphores as MDaemon does, until done.
func (s *Server) watch(done, ended chan struct{}) {
	defer close(ended)

	for {
		select {
		case <-done:
			return
		case <-time.After(10 * time.Millisecond):
			s.takeSemaphores()
		}
	}
}

func (s *Server) running() bool { return !s.broken().Stopped }

func (s *Server) takeSemaphores() {
	if _, err := os.Stat(filepath.Join(s.App, "LOCKSEMS.SEM")); err == nil || !s.running() {
		return
	}

	sems, _ := filepath.Glob(filepath.Join(s.App, "*.SEM"))
	for _, path := range sems {
		s.reload()
		s.mu.Lock()
		s.taken = append(s.taken, filepath.Base(path))
		s.mu.Unlock()
		s.overwrite()
		os.Remove(path)
	}
}

// overwrite is what an open configuration session does.
func (s *Server) overwrite() {
	session := s.broken().Session
	if session == nil {
		return
	}

	for _, name := range settingsFiles {
		if data := session(name); data != nil {
			os.WriteFile(filepath.Join(s.App, name), data, 0o644)
		}
	}
}

var settingsFiles = []string{"MDaemon.ini", "Alias.dat", "TrustedIPs.dat", "IPShield.dat",
	"userlist.dat", "Domains.dat"}

// reload reads the files, as at a start.
func (s *Server) reload() {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.faults.NoEffect && len(s.loaded) > 0 {
		return
	}

	for _, name := range settingsFiles {
		data, err := os.ReadFile(filepath.Join(s.App, name))
		if err != nil {
			data = nil
		}
		s.loaded[name] = data
	}
}

// Taken returns the semaphores that were taken, and Calls the operations that were called.
func (s *Server) Taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.taken...)
}

func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// File returns a file of the App folder.
func (s *Server) File(name string) string {
	data, err := os.ReadFile(filepath.Join(s.App, name))
	if err != nil {
		return ""
	}
	return string(data)
}

// keys are where the stand-in keeps what a real one keeps nobody knows where.
var keys = map[string][3]string{ // key, ticked, not ticked
	"relaying":         {"NoRelay", "Yes", "No"},
	"known-senders":    {"MailMustExist", "Yes", "No"},
	"known-recipients": {"RcptMustExist", "Yes", "No"},
	"postmaster-login": {"PostmasterAuth", "Yes", "No"},
	"strong-passwords": {"StrongPasswords", "Yes", "No"},
	"direct-delivery":  {"Deliver", "0", "1"},
}

// Tick does what a person does in the dialogs: a box is ticked or not, and all is saved. A count that
// changes at every save is noise, as real files have it.
func (s *Server) Tick(setting string, on bool) {
	k := keys[setting]
	value := k[2]
	if on {
		value = k[1]
	}
	s.save(k[0], value)
}

// Enter enters a text.
func (s *Server) Enter(setting, text string) {
	if setting == "hostname" {
		s.save("FQDN", text)
	}
}

func (s *Server) save(key, value string) {
	path := filepath.Join(s.App, "MDaemon.ini")
	data, _ := os.ReadFile(path)
	lines := strings.Split(string(data), "\r\n")

	for i, line := range lines {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case key:
			lines[i] = key + "=" + value
		case "Saved":
			lines[i] = fmt.Sprintf("Saved=%d", time.Now().UnixNano())
		}
	}

	os.WriteFile(path, []byte(strings.Join(lines, "\r\n")), 0o644)
	s.reload()
}

// setting is a value as MDaemon has it in force.
func (s *Server) setting(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, line := range strings.Split(string(s.loaded["MDaemon.ini"]), "\r\n") {
		if name, value, _ := strings.Cut(line, "="); name == key {
			return value
		}
	}

	return ""
}
