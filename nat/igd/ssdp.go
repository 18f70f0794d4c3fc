package igd

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
)

func (d *Device) listenSSDP() error {
	addr, err := net.ResolveUDPAddr("udp4", d.cfg.SSDP)
	if err != nil {
		return err
	}
	d.ssdp, err = net.ListenUDP("udp4", addr)
	return err
}

// answerSearches answers M-SEARCH (UPnP Device Architecture 1.1, section 1.3.3) until
// the socket is closed.
func (d *Device) answerSearches() {
	buf := make([]byte, 2048)
	for {
		n, from, err := d.ssdp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}

		st, ok := searchTarget(buf[:n])
		if !ok || !d.answersTo(st) {
			continue
		}

		answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: %s\r\nUSN: %s::%s\r\nEXT:\r\n"+
			"SERVER: mailpub UPnP/1.1 igd/1\r\nLOCATION: %s\r\n\r\n", st, d.udn(), st, d.URL())

		_, _ = d.ssdp.WriteToUDPAddrPort([]byte(answer), from)
	}
}

func searchTarget(datagram []byte) (string, bool) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(datagram)))
	if err != nil || r.Method != "M-SEARCH" || r.Header.Get("Man") != `"ssdp:discover"` {
		return "", false
	}
	return r.Header.Get("St"), true
}

// answersTo reports whether a search means this device. A device answers for the
// versions before its own too (UPnP Device Architecture 1.1, section 1.3.2).
func (d *Device) answersTo(st string) bool {
	if st == "ssdp:all" || st == "upnp:rootdevice" {
		return true
	}
	kind, version, ok := strings.Cut(st, "InternetGatewayDevice:")
	return ok && kind == "urn:schemas-upnp-org:device:" &&
		(version == "1" || version == "2" && d.cfg.Version == 2)
}
