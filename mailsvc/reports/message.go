package reports

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // names of files come in the charsets of their senders
)

// Found are the reports of a mailbox.
type Found struct {
	DMARC []*DMARC
	TLS   []*TLS
	Bad   []error // of what looked like a report and is none
}

// Limits of a message with reports.
const (
	maxMessage = 32 << 20
	maxParts   = 50
)

// Read adds the reports in a message. A message without any adds nothing.
func (f *Found) Read(raw io.Reader) {
	m, err := message.Read(io.LimitReader(raw, maxMessage))
	if m == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return
	}
	parts := 0
	m.Walk(func(_ []int, part *message.Entity, err error) error {
		if parts++; part == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) || parts > maxParts {
			return errStop
		}
		if !mayBeReport(part.Header) {
			return nil
		}
		data, err := io.ReadAll(io.LimitReader(part.Body, maxReport+1))
		if err == nil && len(data) > 0 {
			f.add(data)
		}
		return nil
	}) // what could be read of it counts
}

var errStop = errors.New("enough was read")

// mayBeReport goes by type and name: receivers use a dozen of either.
func mayBeReport(h message.Header) bool {
	kind, params, _ := h.ContentType()
	_, disposition, _ := h.ContentDisposition()
	switch kind {
	case "application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed", "application/x-zip", "application/xml", "text/xml",
		"application/tlsrpt+gzip", "application/tlsrpt+json", "application/octet-stream", "application/json":
		return true
	}
	file := strings.ToLower(params["name"] + disposition["filename"])
	for _, ending := range []string{".xml", ".gz", ".zip", ".json"} {
		if strings.HasSuffix(file, ending) {
			return true
		}
	}
	return false
}

// add unpacks and reads one attachment, by what it is and not by what it is called.
func (f *Found) add(data []byte) {
	all, err := unpack(data)
	if err != nil {
		f.Bad = append(f.Bad, err)
		return
	}
	for _, text := range all {
		text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
		switch {
		case len(text) == 0:
		case text[0] == '{':
			r, err := parseTLS(text)
			if err != nil {
				f.Bad = append(f.Bad, err)
				continue
			}
			f.TLS = append(f.TLS, r)
		case text[0] == '<':
			r, err := parseDMARC(text)
			if err != nil {
				f.Bad = append(f.Bad, err)
				continue
			}
			f.DMARC = append(f.DMARC, r)
		}
	}
}

// unpack returns what is in a zip or gzip file, or the data itself.
func unpack(data []byte) (all [][]byte, err error) {
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return unzip(data)
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		text, err := unpacked(r)
		return [][]byte{text}, err
	}
	return [][]byte{data}, nil
}

func unzip(data []byte) (all [][]byte, err error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("zip: %w", err)
	}
	for _, file := range z.File[:min(len(z.File), 10)] {
		r, err := file.Open()
		if err != nil {
			return all, fmt.Errorf("zip: %w", err)
		}
		text, err := unpacked(r)
		r.Close()
		if err != nil {
			return all, err
		}
		all = append(all, text)
	}
	return all, nil
}

// unpacked reads what was packed, up to the limit of a report.
func unpacked(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	if len(text) > maxReport {
		return nil, fmt.Errorf("it unpacks to more than %d MiB", maxReport>>20)
	}
	return text, nil
}
