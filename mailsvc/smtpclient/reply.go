package smtpclient

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan/lazy"
)

// Reply is what a server answered.
type Reply struct {
	Code  int
	Lines []string // text without the codes
}

// String returns the reply on one line, shortened.
func (r Reply) String() string {
	text := strings.Join(r.Lines, " / ")
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return strconv.Itoa(r.Code) + " " + text
}

func (r Reply) Accepted() bool { return r.Code/100 == 2 }

func (r Reply) Refused() bool { return r.Code/100 == 5 }

// Name returns the first word of the reply: in a greeting and in the answer to EHLO the
// server's own name (RFC 5321 sections 4.2 and 4.1.1.1).
func (r Reply) Name() string {
	if len(r.Lines) == 0 {
		return ""
	}
	name, _, _ := strings.Cut(r.Lines[0], " ")
	return CanonicalHost(name)
}

// connectionLimit are the words of servers that refuse a connection for the number of those that are open: Postfix
// (smtpd_client_connection_count_limit), Exim (smtp_accept_max), Exchange, mox and others.
var connectionLimit = lazy.Regexp(`(?i)too many (?:\w+ )?(?:\w+ )?(?:connections|sessions)|concurrent|maximum (?:number of )?connections|connection limit`)

// tooManyConnections reports whether a greeting refuses a connection for the number of those that are open. The own
// ones end soon.
func (r Reply) tooManyConnections() bool {
	return r.Code/100 == 4 && connectionLimit().MatchString(strings.Join(r.Lines, " "))
}

// parseReply takes a reply line apart (RFC 5321 section 4.2).
func parseReply(line string) (code int, text string, more bool, err error) {
	if len(line) < 3 {
		return 0, "", false, fmt.Errorf("%q is no SMTP reply", Shorten(line))
	}

	code, err = strconv.Atoi(line[:3])
	if err != nil || code < 200 || code > 599 ||
		len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, "", false, fmt.Errorf("%q is no SMTP reply", Shorten(line))
	}

	if len(line) > 4 {
		text = line[4:]
	}

	return code, text, len(line) > 3 && line[3] == '-', nil
}

func Shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
