package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// Problem is the document of an error (RFC 9457).
type Problem struct {
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail,omitempty"`
	Problems []ConfigProblem `json:"problems,omitempty"` // of a config that is refused
}

// ConfigProblem is one mistake of a config.
type ConfigProblem struct {
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
}

// inputError is a request that can't be understood.
type inputError struct{ text string }

func (e inputError) Error() string { return e.text }

// statusOf is the status of an error. What belongs to others does not exist.
func statusOf(err error) int {
	var config config.Errors
	var input inputError
	var large *http.MaxBytesError
	var failed *pgconn.PgError

	switch {
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, store.ErrLogin), errors.Is(err, errNoLogin):
		return http.StatusUnauthorized
	case errors.Is(err, errForbidden), errors.Is(err, errCrossOrigin), errors.Is(err,
		store.ErrOwnPlan):
		return http.StatusForbidden
	case errors.Is(err, errNoMatch):
		return http.StatusPreconditionRequired
	case errors.Is(err, store.ErrRev):
		return http.StatusPreconditionFailed
	case errors.Is(err, store.ErrPlanState), errors.Is(err, store.ErrApprovals), errors.Is(err,
		store.ErrInUse), errors.Is(err, errExists):
		return http.StatusConflict
	case errors.As(err, &config):
		return http.StatusUnprocessableEntity
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &input):
		return http.StatusBadRequest
	case errors.As(err, &failed) && failed.Code == "23505": // unique_violation
		return http.StatusConflict
	case errors.Is(err, store.ErrNoKey), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}

	return http.StatusInternalServerError
}

// errExists means that something of the name is there already.
var errExists = errors.New("there is one of this name already")

// fail writes the document of an error. What went wrong inside stays inside.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := Problem{Status: statusOf(err), Detail: err.Error()}
	p.Title = http.StatusText(p.Status)

	var mistakes config.Errors
	switch {
	case errors.As(err, &mistakes):
		p.Detail = "the config is refused"
		for _, m := range mistakes {
			p.Problems = append(p.Problems, ConfigProblem{
				File:  m.File,
				Line:  m.Line,
				Field: m.Field,
				Text:  m.Text,
			})
		}
	case p.Status == http.StatusNotFound:
		p.Detail = "there is nothing here, or you have no role where it is"
	case p.Status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="mailpub"`)
	case p.Status == http.StatusConflict && errors.As(err, new(*pgconn.PgError)):
		p.Detail = errExists.Error()
	case p.Status == http.StatusServiceUnavailable && !errors.Is(err, store.ErrNoKey):
		p.Detail = "the database does not answer in time"
	case p.Status == http.StatusInternalServerError:
		p.Detail = "the request failed; the server's log says why"
		s.Log.Error("request", "method", r.Method, "path", r.URL.Path, "error", err)
	}

	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// rawText is an answer that is no JSON.
type rawText struct {
	kind string
	etag string
	body []byte
}

func (s *Server) answer(w http.ResponseWriter, status int, out any) {
	switch out := out.(type) {
	case nil:
		w.WriteHeader(http.StatusNoContent)
	case rawText:
		w.Header().Set("Content-Type", out.kind)
		if out.etag != "" {
			w.Header().Set("ETag", out.etag)
		}
		w.WriteHeader(status)
		w.Write(out.body)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(out)
	}
}

// decode reads the body of a request: one JSON document without unknown fields.
func (c *call) decode(into any) error {
	d := json.NewDecoder(c.r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return err
		}
		return inputError{"the body is not the JSON document that is expected: " + err.Error()}
	}

	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return inputError{"the body has more than one JSON document"}
	}

	return nil
}
