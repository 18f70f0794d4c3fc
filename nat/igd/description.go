package igd

import (
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"net/http"
)

const (
	descriptionPath = "/rootDesc.xml"
	controlPath     = "/ctl/IPConn"
)

func (d *Device) serviceType() string {
	if d.cfg.Service != "" {
		return d.cfg.Service
	}
	return fmt.Sprintf("urn:schemas-upnp-org:service:WANIPConnection:%d", d.cfg.Version)
}

// udn is the device's unique name. It follows from the address, so that one device
// keeps its name and two have different ones.
func (d *Device) udn() string {
	h := fnv.New64a()
	h.Write([]byte(d.web.Addr().String()))
	return fmt.Sprintf("uuid:6d61696c-7075-4220-8000-%012x", h.Sum64()&(1<<48-1))
}

// The elements of a device description (UPnP Device Architecture 1.1, section 2.3).
type (
	descriptionXML struct {
		XMLName xml.Name  `xml:"urn:schemas-upnp-org:device-1-0 root"`
		Major   int       `xml:"specVersion>major"`
		Minor   int       `xml:"specVersion>minor"`
		Device  deviceXML `xml:"device"`
	}
	deviceXML struct {
		Type         string       `xml:"deviceType"`
		Name         string       `xml:"friendlyName"`
		Manufacturer string       `xml:"manufacturer"`
		Model        string       `xml:"modelName"`
		UDN          string       `xml:"UDN"`
		Services     []serviceXML `xml:"serviceList>service,omitempty"`
		Devices      []deviceXML  `xml:"deviceList>device,omitempty"`
	}
	serviceXML struct {
		Type    string `xml:"serviceType"`
		ID      string `xml:"serviceId"`
		SCPD    string `xml:"SCPDURL"`
		Control string `xml:"controlURL"`
		Event   string `xml:"eventSubURL"`
	}
)

func (d *Device) serveDescription(w http.ResponseWriter, r *http.Request) {
	if d.play(w, r, d.faultOf(Call{Action: Describe})) {
		return
	}

	v := d.cfg.Version
	part := func(kind, suffix string) deviceXML {
		return deviceXML{
			Type:         fmt.Sprintf("urn:schemas-upnp-org:device:%s:%d", kind, v),
			Name:         d.cfg.Name,
			Manufacturer: "mailpub",
			Model:        "igd",
			UDN:          d.udn() + suffix,
		}
	}

	connection := part("WANConnectionDevice", "-2")
	connection.Services = []serviceXML{{
		Type: d.serviceType(), ID: "urn:upnp-org:serviceId:WANIPConn1",
		SCPD: "/WANIPCn.xml", Control: controlPath, Event: "/evt/IPConn",
	}}

	wan := part("WANDevice", "-1")
	wan.Devices = []deviceXML{connection}
	root := part("InternetGatewayDevice", "")
	root.Devices = []deviceXML{wan}
	d.writeXML(w, http.StatusOK, descriptionXML{Major: 1, Minor: 1, Device: root})
}

func (d *Device) writeXML(w http.ResponseWriter, status int, doc any) {
	body, err := xml.Marshal(doc)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}

	w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), body...))
}
