package receiver

import "strconv"

// response is a reply to a command. As an error it says why something is refused. Enhanced codes
// are those of RFC 3463.
type response struct {
	code     int
	enhanced string // "" where RFC 2034 section 4 has none
	text     string
}

func (r *response) Error() string { return r.line() }

// line returns the reply without its line end.
func (r *response) line() string {
	out := strconv.Itoa(r.code) + " "
	if r.enhanced != "" {
		out += r.enhanced + " "
	}
	return out + r.text
}

var (
	okReply      = &response{250, "2.0.0", "OK"}
	errNotSetUp  = &response{451, "4.3.0", "not set up yet, please come back later"}
	errTooMuch   = &response{450, "4.7.0", "too many messages from your address in a minute, please come back later"}
	errOrder     = &response{503, "5.5.1", "wrong order of commands"}
	errNoHello   = &response{503, "5.5.1", "please say EHLO first"}
	errNested    = &response{503, "5.5.1", "MAIL was said already"}
	errNoRcpt    = &response{503, "5.5.1", "no recipient was accepted"}
	errSpoof     = &response{550, "5.7.1", "mail from our own domain needs authentication, which is not offered here"}
	errNoSender  = &response{550, "5.1.0", "no such sender here"}
	errRelay     = &response{554, "5.7.1", "relaying denied"}
	errNoMailbox = &response{550, "5.1.1", "no such user here"}
	errStorage   = &response{452, "4.3.1", "cannot store mail now, please come back later"}
	errUTF8      = &response{553, "5.6.7", "this address needs SMTPUTF8"}
	errLineEnds  = &response{550, "5.6.0", "bare CR, bare LF or NUL in the message"}
	errTooLarge  = &response{552, "5.3.4", "the message is too large"}
	errHeader    = &response{552, "5.3.4", "the header of the message is too large"}
	errLoop      = &response{554, "5.4.6", "too many hops: the message runs in a loop"}
	errBrokenOff = &response{451, "4.4.2", "the message broke off"}
)
