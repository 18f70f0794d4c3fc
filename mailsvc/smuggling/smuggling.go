// Package smuggling lists what some mail servers take for the end of a message although it
// is not (RFC 5321 section 2.3.8). Where two servers on a message's way disagree on that, what
// follows is a second message, with a sender that nobody has checked. It imports nothing of
// ours.
package smuggling

import "strings"

// Form is one false end: something like a line end, a dot, something like a line end.
type Form struct {
	Name string // "LF dot CR LF"
	Text string
}

// HoldsEnd reports whether the true end is in the form: CR CR LF dot CR LF is that, with a
// bare CR before it. A server may refuse the message for the CR, but not go on reading it.
func (f Form) HoldsEnd() bool { return strings.Contains(f.Text, "\r\n.\r\n") }

// Forms returns every false end: all pairs of seven line ends but the true one. The known
// attacks are among them.
func Forms() (forms []Form) {
	ends := []struct{ name, text string }{
		{"CRLF", "\r\n"}, {"LF", "\n"}, {"CR", "\r"}, {"CRCRLF", "\r\r\n"}, {"LFCR", "\n\r"},
		{"CR NUL LF", "\r\x00\n"}, {"NUL", "\x00"},
	}

	for i, before := range ends {
		for j, after := range ends {
			if i+j > 0 { // CRLF dot CRLF is the true end
				forms = append(forms, Form{before.name + " dot " + after.name,
					before.text + "." + after.text})
			}
		}
	}

	return forms
}

// Known reports whether the form is one of those that servers were seen to end a message at
// (SEC Consult's "SMTP Smuggling", December 2023): CR or LF alone for a line end. The others
// are for whoever writes a server.
func (f Form) Known() bool {
	return !strings.Contains(f.Text, "\r\r\n") && !strings.Contains(f.Text, "\n\r") &&
		!strings.Contains(f.Text, "\x00")
}
