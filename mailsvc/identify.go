package mailsvc

import (
	"os"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
)

// Signature is how a kind of mail server is known: by what it says, and by what is installed.
type Signature struct {
	Type     string   // as service.type in the config has it
	Greeting string   // a word of its greeting
	Commands []string // that it brings along
	Files    []string // that it brings along, where it has no command
	Config   string   // without which it does nothing; "" where that is not known
}

// Traces returns how each kind of mail server is known that mailpub has a driver for. The
// greetings are those of their own defaults; an administrator may have changed them.
func Traces() []Signature {
	return []Signature{
		{Type: "postfix", Greeting: "Postfix", Commands: []string{"postconf"}, Config: "/etc/postfix/main.cf"},
		{Type: "mdaemon", Greeting: "MDaemon", Files: []string{`C:\MDaemon\App\MDaemon.exe`, `C:\Program Files\MDaemon Technologies\MDaemon\App\MDaemon.exe`}},
		{Type: "exim", Greeting: "Exim", Commands: []string{"exim4", "exim"}},
		{Type: "opensmtpd", Greeting: "OpenSMTPD", Commands: []string{"smtpctl"}},
		{Type: "maddy", Commands: []string{"maddy"}},
		{Type: "mox", Greeting: "mox", Commands: []string{"mox"}},
	}
}

// TypeOf returns the type of the server that sent a greeting; "" if the greeting does not tell.
func TypeOf(greeting smtpclient.Reply) string {
	text := " " + strings.Join(greeting.Lines, " ") + " "
	for _, t := range Traces() {
		if t.Greeting != "" && strings.Contains(text, " "+t.Greeting+" ") {
			return t.Type
		}
	}
	return ""
}

// Installed returns the kinds of mail servers that are installed on this machine and set up,
// running or not. It runs none of them.
func Installed() (types []string) {
	for _, t := range Traces() {
		if _, err := os.Stat(t.Config); t.Config != "" && err != nil {
			continue
		}

		for _, c := range t.Commands {
			if _, err := command.Find(c); err == nil {
				types = append(types, t.Type)
				break
			}
		}

		for _, f := range t.Files {
			if _, err := os.Stat(f); err == nil {
				types = append(types, t.Type)
				break
			}
		}
	}

	return types
}
