package igd

import (
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Describe is the name under which the fetching of the description is seen by faults.
const Describe = "description"

// Call is one request to the device.
type Call struct {
	Action string // "AddPortMapping", ...; Describe
	Args   map[string]string
	From   netip.Addr // who asks; not set for Describe
}

// Fault is how a call goes wrong. The zero value lets it go right.
type Fault struct {
	Code int // answer with this UPnP error and do nothing

	// Body is sent instead of an answer, with Status (default 200), and nothing is
	// done: garbage, half an answer, or a lie such as a success that is none.
	Body   string
	Status int

	// Raw is sent as it is, header and all, and nothing is done. With Hold the connection is
	// then kept open until the client closes it.
	Raw  string
	Hold bool

	// Stall waits before the answer; a client with less patience never gets one. With
	// Late the action is carried out first.
	Stall time.Duration
	Late  bool

	// Reset cuts the connection instead of an answer.
	Reset bool
}

// Inject puts a fault into the device: f is asked about every call from now on, and
// may be called concurrently. Nil makes the device well again.
func (d *Device) Inject(f func(Call) Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

func (d *Device) faultOf(c Call) Fault {
	d.mu.Lock()
	f := d.fault
	d.mu.Unlock()
	if f == nil {
		return Fault{}
	}
	return f(c)
}

// play answers a call the way a fault says. It reports whether the call has been
// answered.
func (d *Device) play(w http.ResponseWriter, r *http.Request, f Fault) bool {
	if !stall(r, f.Stall) {
		return true
	}

	switch {
	case f.Reset:
		reset(w)
	case f.Raw != "":
		writeRawFault(w, f)
	case f.Code != 0:
		d.fail(w, f.Code)
	case f.Body != "" || f.Status != 0:
		if f.Status != 0 {
			w.WriteHeader(f.Status)
		}
		_, _ = w.Write([]byte(f.Body))
	default:
		return false
	}

	return true
}

// stall waits, and reports whether the client is still there.
func stall(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}

	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}

// writeRawFault sends what a fault has, past the server's own form.
func writeRawFault(w http.ResponseWriter, f Fault) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}

	defer conn.Close()

	_, _ = conn.Write([]byte(f.Raw))
	if f.Hold {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, _ = conn.Read(make([]byte, 1))
	}
}

// reset closes a connection so that the other side sees that it was cut (RFC 9293 section 3.5.2).
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}

	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}

	conn.Close()
}
