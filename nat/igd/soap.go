package igd

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
)

// arg is one argument of an action. In SOAP their order counts.
type arg struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

func outputArgs(pairs ...string) []arg {
	var args []arg
	for i := 0; i+1 < len(pairs); i += 2 {
		args = append(args, arg{xml.Name{Local: pairs[i]}, pairs[i+1]})
	}
	return args
}

// parseCall reads the action and its arguments from a SOAP request.
func parseCall(body io.Reader) (service string, c Call, err error) {
	var request struct {
		Body struct {
			Actions []struct {
				XMLName xml.Name
				Args    []arg `xml:",any"`
			} `xml:",any"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}

	if err := xml.NewDecoder(body).Decode(&request); err != nil {
		return "", Call{}, err
	}
	if len(request.Body.Actions) != 1 {
		return "", Call{}, fmt.Errorf("%d actions in one request", len(request.Body.Actions))
	}

	a := request.Body.Actions[0]
	c = Call{Action: a.XMLName.Local, Args: map[string]string{}}
	for _, arg := range a.Args {
		c.Args[arg.XMLName.Local] = strings.TrimSpace(arg.Value)
	}

	return a.XMLName.Space, c, nil
}

// envelope wraps the answer. Prefixes are written out, in the way that simple clients,
// which compare names as they stand, expect.
type envelopeXML struct {
	XMLName  xml.Name `xml:"s:Envelope"`
	Space    string   `xml:"xmlns:s,attr"`
	Encoding string   `xml:"s:encodingStyle,attr"`
	Body     any      `xml:"s:Body"`
}

func envelope(body any) envelopeXML {
	return envelopeXML{Space: "http://schemas.xmlsoap.org/soap/envelope/",
		Encoding: "http://schemas.xmlsoap.org/soap/encoding/", Body: body}
}

func (d *Device) serveControl(w http.ResponseWriter, r *http.Request) {
	service, call, err := parseCall(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	call.From = from.Addr().Unmap()
	fault := d.faultOf(call)

	if !fault.Late && d.play(w, r, fault) {
		return
	}

	var args []arg
	code := errInvalidAction
	if act := d.actions()[call.Action]; act != nil && service == d.serviceType() {
		d.mu.Lock()
		d.expire()
		args, code = act(call)
		d.mu.Unlock()
	}

	d.cfg.Logger.Debug("action", "name", call.Action, "args", call.Args, "code", code)
	if fault.Late && d.play(w, r, fault) {
		return
	}

	if code != 0 {
		d.fail(w, code)
		return
	}

	type response struct {
		XMLName xml.Name
		Space   string `xml:"xmlns:u,attr"`
		Args    []arg
	}

	d.writeXML(w, http.StatusOK, envelope(struct{ Response response }{
		response{xml.Name{Local: "u:" + call.Action + "Response"}, d.serviceType(), args}}))
}

// fail answers with a UPnP error (UPnP Device Architecture 1.1, section 3.2).
func (d *Device) fail(w http.ResponseWriter, code int) {
	type upnpError struct {
		XMLName xml.Name `xml:"urn:schemas-upnp-org:control-1-0 UPnPError"`
		Code    int      `xml:"errorCode"`
		Text    string   `xml:"errorDescription"`
	}

	type fault struct {
		XMLName xml.Name  `xml:"s:Fault"`
		Code    string    `xml:"faultcode"`
		Text    string    `xml:"faultstring"`
		Detail  upnpError `xml:"detail>UPnPError"`
	}

	d.writeXML(w, http.StatusInternalServerError, envelope(struct{ Fault fault }{
		fault{
			Code: "s:Client",
			Text: "UPnPError",
			Detail: upnpError{
				Code: code,
				Text: fmt.Sprintf("error %d", code),
			},
		}}))
}
