package mdaemontest

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call is a request of the XML API, as far as the stand-in reads it.
type call struct {
	XMLName   xml.Name `xml:"MDaemon"`
	Operation string   `xml:"API>Request>Operation"`
	Domain    string   `xml:"API>Request>Parameters>Domain"`
	Mailbox   string   `xml:"API>Request>Parameters>Mailbox"`
	Add       []string `xml:"API>Request>Parameters>AddAliases>Alias"`
	Remove    []string `xml:"API>Request>Parameters>RemoveAliases>Alias"`
	Password  string   `xml:"API>Request>Parameters>Details>Password"`
}

func (s *Server) startAPI(t *testing.T) *httptest.Server {
	api := httptest.NewUnstartedServer(http.HandlerFunc(s.serveAPI))
	api.Config.ErrorLog = nil
	api.StartTLS()
	t.Cleanup(api.Close)
	return api
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q call
	if err := xml.Unmarshal(body, &q); err != nil || r.Method != http.MethodPost ||
		r.URL.Path != "/MdMgmtWS/" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}

	s.mu.Lock()
	s.calls = append(s.calls, strings.Trim(q.Operation+" "+q.Mailbox+"@"+q.Domain, " @"))
	s.mu.Unlock()

	if !s.running() {
		panic(http.ErrAbortHandler)
	}

	if refuse := s.broken().Refuse; refuse != nil {
		if code := refuse(q.Operation); code != 0 {
			w.WriteHeader(code)
			return
		}
	}

	if user, password, _ := r.BasicAuth(); user != User || password != Password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}

	result, known := s.operation(q)
	ok := "The operation completed successfully."
	no := "Not found."

	if s.broken().Localised {
		ok, no = "Operazione completata.", "Non trovato."
	}

	status := fmt.Sprintf(`<Status id="0" value="0x00000000" message="%s"/>`, ok)
	if !known {
		status = fmt.Sprintf(`<Status id="99" value="0x81420063" message="%s"/>`, no)
	} else if result != "" {
		status += "<Result>" + result + "</Result>"
	}

	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<?xml version="1.0"?><MDaemon><API productversion="%s" serviceversion="%s.1"><Response version="26.0">%s</Response></API></MDaemon>`,
		Version, Version, status)
}

// operation carries a call out and returns its result.
func (s *Server) operation(q call) (result string, known bool) {
	domain := strings.ToLower(q.Domain)
	mailbox := strings.ToLower(q.Mailbox)
	switch q.Operation {
	case "GetVersionInfo":
		return "x", true
	case "GetDomainList":
		for _, d := range strings.Fields(s.File("Domains.dat")) {
			result += fmt.Sprintf(`<Domain id="%s"/>`, d)
		}
		return "<Domains>" + result + "</Domains>", true
	case "GetDomainInfo":
		for _, u := range users([]byte(s.File("userlist.dat"))) {
			if u[0] == domain {
				result += fmt.Sprintf(`<User id="%s"/>`, u[1])
			}
		}
		return `<Domain id="` + domain + `"><Users>` + result +
			`</Users></Domain>`, s.serves(domain)
	case "GetUserInfo":
		return s.userInfo(domain, mailbox)
	case "CreateUser":
		if q.Password == "" {
			return "", false
		}

		record := fmt.Sprintf("%-45s%-30s%-30s%-90s%-20s", domain, mailbox, mailbox,
			`C:\MDaemon\Users\`+domain+`\`+mailbox+`\`, "REVERSIBLE")

		s.change("userlist.dat", func(text string) string {
			return text + record + strings.Repeat("N", 20) + "\r\n"
		})
	case "DeleteUser":
		s.dropLines("userlist.dat", func(line string) bool {
			return len(line) > 75 && strings.TrimSpace(line[:45]) == domain &&
				strings.TrimSpace(line[45:75]) == mailbox
		})
	case "UpdateUser":
		if _, known := s.userInfo(domain, mailbox); !known {
			return "", false
		}

		for _, alias := range q.Add {
			s.change("Alias.dat", func(text string) string {
				return text + alias + " = " + mailbox + "@" + domain + "\r\n"
			})
		}

		for _, alias := range q.Remove {
			s.dropLines("Alias.dat", func(line string) bool {
				return strings.HasPrefix(line, alias+" = ")
			})
		}
	case "CreateDomain":
		s.change("Domains.dat", func(text string) string {
			return text + domain + "\r\n"
		})
	case "DeleteDomain":
		s.dropLines("Domains.dat", func(line string) bool { return line == domain })
	default:
		return "", false
	}

	return "", true
}

func (s *Server) userInfo(domain, mailbox string) (result string, known bool) {
	for _, u := range users([]byte(s.File("userlist.dat"))) {
		if u != [2]string{domain, mailbox} {
			continue
		}

		aliases := ""
		for _, line := range strings.Split(s.File("Alias.dat"), "\r\n") {
			if alias, actual, ok := strings.Cut(line, " = "); ok &&
				actual == mailbox+"@"+domain {
				aliases += fmt.Sprintf(`<Alias id="%s"/>`, alias)
			}
		}

		dir := filepath.Join(s.Root, "Users", domain, mailbox)
		return fmt.Sprintf(`<User id="%s" domain="%s"><Details><MailDir>%s</MailDir></Details><Aliases>%s</Aliases></User>`,
			mailbox, domain, dir, aliases), true
	}

	return "", false
}

func (s *Server) change(name string, edit func(string) string) {
	os.WriteFile(filepath.Join(s.App, name), []byte(edit(s.File(name))), 0o644)
	s.reload()
}

func (s *Server) dropLines(name string, drop func(string) bool) {
	s.change(name, func(text string) string {
		var kept []string
		for _, line := range strings.Split(text, "\r\n") {
			if !drop(line) {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\r\n")
	})
}
