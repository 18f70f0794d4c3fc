package reports

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"

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

// Read adds the reports in a message that arrived at a time. A message without any adds nothing.
func (f *Found) Read(raw io.Reader, arrived time.Time) {
	m, err := message.Read(io.LimitReader(raw, maxMessage))
	if m == nil || err != nil && !message.IsUnknownCharset(err) &&
		!message.IsUnknownEncoding(err) {
		return
	}

	if sent, err := mail.ParseDate(m.Header.Get("Date")); err == nil &&
		sent.Before(time.Now().Add(48*time.Hour)) {
		arrived = sent
	}

	parts := 0
	m.Walk(func(_ []int, part *message.Entity, err error) error {
		if parts++; part == nil || err != nil && !message.IsUnknownCharset(err) &&
			!message.IsUnknownEncoding(err) || parts > maxParts {
			return errStop
		}
		if !mayBeReport(part.Header) {
			return nil
		}

		data, err := io.ReadAll(io.LimitReader(part.Body, maxReport+1))
		if err == nil && len(data) > 0 {
			f.add(data, arrived)
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

// ReadFile adds the reports of a file that was written at a time: a message, or a report as it was attached to one.
func (f *Found) ReadFile(file io.Reader, written time.Time) {
	r := bufio.NewReader(io.LimitReader(file, maxMessage))
	head, _ := r.Peek(4) // a shorter file is no report
	switch text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))); {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head,
		[]byte{0x1f, 0x8b}), bytes.HasPrefix(text, []byte("<")), bytes.HasPrefix(text,
		[]byte("{")), len(head) > 0 && len(text) == 0:
		data, err := io.ReadAll(r)
		if err != nil {
			f.Bad = append(f.Bad, err)
			return
		}
		f.add(data, written)
	default:
		f.Read(r, written)
	}
}

// add unpacks and reads one attachment, by what it is and not by what it is called.
func (f *Found) add(data []byte, arrived time.Time) {
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
			if err == nil {
				r.To, err = ended(r.To, arrived)
			}

			if err != nil {
				f.Bad = append(f.Bad, err)
				continue
			}

			f.TLS = append(f.TLS, r)
		case text[0] == '<':
			r, err := parseDMARC(text)
			if err == nil {
				r.To, err = ended(r.To, arrived)
			}

			if err != nil {
				f.Bad = append(f.Bad, err)
				continue
			}

			f.DMARC = append(f.DMARC, r)
		}
	}
}

// ended is when the days of a report were over: what it says, or when it arrived where it says nothing that can be
// read or names a later time. A report of no known time is not judged: it would never grow old.
func ended(says, arrived time.Time) (time.Time, error) {
	switch {
	case says.IsZero() && arrived.IsZero():
		return says, errors.New("it has no date that can be read")
	case says.IsZero(), !arrived.IsZero() && says.After(arrived.Add(48*time.Hour)):
		return arrived.UTC(), nil
	}
	return says, nil
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
