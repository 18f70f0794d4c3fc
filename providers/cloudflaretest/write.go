package cloudflaretest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// problem is a refusal with its code.
type problem struct {
	code    int
	message string
}

func (a *API) create(w http.ResponseWriter, r *http.Request) {
	var rec Record
	if err := json.NewDecoder(r.Body).Decode(&rec); err != nil {
		Refuse(w, http.StatusBadRequest, 9207, "Request body is invalid.")
		return
	}

	a.mu.Lock()
	defer a.mu.Unlock()

	if p := a.complete(&rec); p != nil {
		Refuse(w, http.StatusBadRequest, p.code, p.message)
		return
	}

	a.result(w, a.add(rec))
}

func (a *API) patch(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()

	i := a.index(r.PathValue("id"))
	if i < 0 {
		Refuse(w, http.StatusNotFound, 81044, "Record does not exist.")
		return
	}

	rec := a.records[i]
	if err := json.NewDecoder(r.Body).Decode(&rec); err != nil {
		Refuse(w, http.StatusBadRequest, 9207, "Request body is invalid.")
		return
	}

	rec.ID = a.records[i].ID
	if p := a.complete(&rec); p != nil {
		Refuse(w, http.StatusBadRequest, p.code, p.message)
		return
	}

	a.records[i] = rec
	a.result(w, rec)
}

func (a *API) remove(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()

	i := a.index(r.PathValue("id"))
	if i < 0 {
		Refuse(w, http.StatusNotFound, 81044, "Record does not exist.")
		return
	}

	id := a.records[i].ID
	a.records = slices.Delete(a.records, i, i+1)
	a.result(w, map[string]string{"id": id})
}

func (a *API) index(id string) int {
	return slices.IndexFunc(a.records, func(r Record) bool { return r.ID == id })
}

// complete checks a record and brings it into the form in which it is listed.
func (a *API) complete(r *Record) *problem {
	switch {
	case r.Name == "@":
		r.Name = a.Zone
	case r.Name != a.Zone && !strings.HasSuffix(r.Name, "."+a.Zone):
		r.Name += "." + a.Zone
	}

	r.Name = strings.ToLower(r.Name)
	if r.TTL == 0 || r.Proxied {
		r.TTL = 1
	}

	if r.TTL != 1 && (r.TTL < 60 || r.TTL > 86400) {
		return &problem{9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."}
	}
	if p := r.fill(); p != nil {
		return p
	}

	for _, o := range a.records {
		switch {
		case o.ID == r.ID || o.Name != r.Name:
		case o.Type == r.Type && o.Content == r.Content:
			return &problem{81058, "An identical record already exists."}
		case o.Type == "CNAME" || r.Type == "CNAME":
			return &problem{81053, "An A, AAAA, or CNAME record with that host already exists."}
		}
	}

	return nil
}

// fill makes the content out of the type's own fields, refusing what lacks them.
func (r *Record) fill() *problem {
	need := func(fields ...string) *problem {
		for _, f := range fields {
			if r.Data[f] == nil {
				return &problem{9101, f + " is a required data field."}
			}
		}
		return nil
	}

	switch r.Type {
	case "MX":
		if r.Priority == nil {
			return &problem{9100, "priority is a required field."}
		}
		r.Content = host(r.Content)
	case "CNAME", "NS", "PTR":
		r.Content = host(r.Content)
	case "SRV":
		if p := need("priority", "weight", "port", "target"); p != nil {
			return p
		}
		priority := int(r.Data["priority"].(float64))
		r.Priority = &priority
		r.Content = fmt.Sprintf("%v %v %v", r.Data["weight"], r.Data["port"],
			host(fmt.Sprint(r.Data["target"])))
	case "TLSA":
		if p := need("usage", "selector", "matching_type", "certificate"); p != nil {
			return p
		}
		r.Content = fmt.Sprintf("%v %v %v %v", r.Data["usage"], r.Data["selector"],
			r.Data["matching_type"], r.Data["certificate"])
	case "CAA":
		if p := need("flags", "tag", "value"); p != nil {
			return p
		}
		r.Content = fmt.Sprintf("%v %v %q", r.Data["flags"], r.Data["tag"], r.Data["value"])
	case "TXT":
		r.Content = pieces(r.Content)
	}

	if r.Content == "" {
		return &problem{9005, "Content is a required field."}
	}

	return nil
}

func host(s string) string {
	if s == "." {
		return s
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}

// pieces cuts one long string into quoted pieces of 255, as the API lists it. Quoted
// pieces it is given it keeps.
func pieces(content string) string {
	text := strings.TrimSuffix(strings.TrimPrefix(content, `"`), `"`)
	if strings.Contains(text, `" "`) || len(text) <= 255 {
		return content
	}

	var out []string
	for text != "" {
		n := min(len(text), 255)
		out = append(out, `"`+text[:n]+`"`)
		text = text[n:]
	}

	return strings.Join(out, " ")
}
