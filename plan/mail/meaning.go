package mail

import (
	"slices"
	"strings"
)

// What is there already in another spelling is as good as what would be written: a policy with
// other blanks, a tag that says its default. It is taken up without a write, and so is a TTL that
// the config does not give.

// Fit returns the function that makes the lines to write out of those that are there (plan.Item);
// said tells whether the config gives the TTL.
func Fit(rrtype string, said bool) func(observed, wanted []string) []string {
	switch {
	case rrtype == "TXT" && said:
		return fitTextTTL
	case rrtype == "TXT":
		return fitText
	case rrtype == "SRV":
		return func(observed, wanted []string) []string {
			if len(observed) != 1 || len(wanted) != 1 { // priorities and weights choose among several
				return fitOwn(observed, wanted, identity, said)
			}
			return fitOwn(observed, wanted, serviceMeaning, said)
		}
	case said:
		return fitDataTTL
	}

	return fitData
}

// serviceMeaning returns where the only SRV record of a service leads: its priority and weight choose
// among none (RFC 2782), and "." says that there is no such service, whatever the port.
func serviceMeaning(data string) string {
	f := strings.Fields(data)
	switch {
	case len(f) != 4:
		return data
	case f[3] == ".":
		return "."
	}

	return f[2] + " " + strings.ToLower(f[3])
}

func fitText(observed, wanted []string) []string {
	return fitLines(observed, wanted, textMeaning, false)
}
func fitTextTTL(observed, wanted []string) []string {
	return fitLines(observed, wanted, textMeaning, true)
}
func fitData(observed, wanted []string) []string {
	return fitLines(observed, wanted, identity,
		false)
}
func fitDataTTL(observed, wanted []string) []string {
	return fitLines(observed, wanted, identity, true)
}

func identity(data string) string { return data }

// fitLines keeps what others have in the same set of text beside a policy: a vendor's proof of ownership.
func fitLines(observed, wanted []string, meaning func(string) string, said bool) []string {
	own, others := splitPolicies(observed, wanted)
	lines := fitOwn(own, wanted, meaning, said)
	if others == nil {
		return lines
	}

	if _, ttl, _ := dataAndTTL(others); len(own) == 0 && !said {
		data, _, _ := dataAndTTL(wanted)
		lines = linesOf(data, ttl)
	}

	out := slices.Concat(lines, others)
	if _, ttl, _ := dataAndTTL(lines); ttl >= 0 { // a set has one TTL (RFC 2181 section 5.2)
		data, _, _ := dataAndTTL(out)
		out = linesOf(data, ttl)
	}

	slices.Sort(out)
	return out
}

// splitPolicies splits the observed lines into policies of the wanted kind and others' text; all are taken for
// the former where the wanted line is no policy, or nothing is one.
func splitPolicies(observed, wanted []string) (own, others []string) {
	version := ""
	if len(wanted) == 1 {
		version = policyVersion(wanted[0])
	}

	if version == "" {
		return observed, nil
	}

	for _, l := range observed {
		data, _ := SplitRecordLine(l)
		text, err := Text(data)
		if err != nil || strings.HasPrefix(strings.ToLower(strings.ReplaceAll(text, " ", "")),
			"v=") {
			own = append(own, l) // a policy, whole or not
			continue
		}

		others = append(others, l)
	}

	return own, others
}

// policyVersion returns the version that a line's policy begins with; "" where it is none.
func policyVersion(line string) string {
	data, _ := SplitRecordLine(line)
	text, err := Text(data)
	if err != nil {
		return ""
	}

	for _, v := range []string{"v=DMARC1", "v=TLSRPTv1", "v=STSv1"} {
		if strings.HasPrefix(text, v) {
			return v
		}
	}

	return ""
}

func fitOwn(observed, wanted []string, meaning func(string) string, said bool) []string {
	if slices.Equal(observed, wanted) {
		return observed
	}

	is, ttl, uniform := dataAndTTL(observed)
	want, wantTTL, _ := dataAndTTL(wanted)
	if uniform && sameMeaning(is, want, meaning) {
		if !said || ttl < 0 || ttl == wantTTL {
			return observed
		}
		return linesOf(is, wantTTL)
	}

	if said || wantTTL < 0 || ttl < 0 || !uniform {
		return wanted
	}

	return linesOf(want, ttl)
}

// dataAndTTL splits lines; uniform says that they have one TTL, or none has any.
func dataAndTTL(lines []string) (data []string, ttl int, uniform bool) {
	uniform, ttl = true, -1
	for i, l := range lines {
		d, t := SplitRecordLine(l)
		if i > 0 && t != ttl {
			uniform = false
		}
		data = append(data, d)
		ttl = t
	}

	return data, ttl, uniform
}

func linesOf(data []string, ttl int) (lines []string) {
	for _, d := range data {
		lines = append(lines, RecordLine(d, ttl))
	}
	slices.Sort(lines)
	return lines
}

func sameMeaning(a, b []string, meaning func(string) string) bool {
	if len(a) != len(b) {
		return false
	}

	left := make([]string, len(a))
	for i, d := range a {
		left[i] = meaning(d)
	}

	for _, d := range b {
		i := slices.Index(left, meaning(d))
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}

	return true
}

// textMeaning returns what a TXT record says in one spelling, where it is a list of tags that mail
// knows: DMARC (RFC 7489, RFC 9989), TLS reports (RFC 8460), MTA-STS (RFC 8461) and keys of DKIM
// (RFC 6376). Other text means what it is.
func textMeaning(data string) string {
	text, err := Text(data)
	if err != nil {
		return data
	}

	tags, ok := Tags(text)
	if !ok || len(tags) == 0 {
		return data
	}

	switch first := tags[0]; {
	case first.Name == "v" && first.Value == "DMARC1":
		return dmarcMeaning(tags)
	case first.Name == "v" && (first.Value == "TLSRPTv1" || first.Value == "STSv1"):
		return listMeaning(tags)
	case first.Name == "v" && first.Value == "DKIM1", hasTag(tags, "p") && first.Name != "v":
		return keyMeaning(tags, data)
	}

	return data
}

// Tag is one of a list "tag=value; tag=value" (RFC 6376 section 3.2).
type Tag struct{ Name, Value string }

// Tags reads a list of tags in its order, without the blanks around names and values. ok is false
// where a part has no "=" or a tag is there twice.
func Tags(text string) (tags []Tag, ok bool) {
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}

		name, value, found := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !found || hasTag(tags, name) {
			return nil, false
		}

		tags = append(tags, Tag{name, strings.TrimSpace(value)})
	}

	return tags, true
}

func hasTag(tags []Tag, name string) bool {
	return slices.ContainsFunc(tags, func(t Tag) bool { return t.Name == name })
}

func tagValue(tags []Tag, name string) string {
	for _, t := range tags {
		if t.Name == name {
			return t.Value
		}
	}
	return ""
}

// dmarcMeaning leaves out what says a default, and folds the case that does not count.
func dmarcMeaning(tags []Tag) string {
	policy := strings.ToLower(tagValue(tags, "p"))
	defaults := map[string]string{"adkim": "r", "aspf": "r", "pct": "100", "fo": "0",
		"rf": "afrf", "ri": "86400", "sp": policy, "t": "n", "psd": "u"}

	var out []string
	for _, t := range tags {
		name := strings.ToLower(t.Name)
		value := t.Value
		if name == "rua" || name == "ruf" {
			value = uris(value)
		} else {
			value = strings.ToLower(value)
		}

		if value != "" && value == defaults[name] {
			continue
		}

		out = append(out, name+"="+value)
	}

	slices.Sort(out)
	return strings.Join(out, ";")
}

func listMeaning(tags []Tag) string {
	var out []string
	for _, t := range tags {
		if t.Name == "rua" {
			t.Value = uris(t.Value)
		}
		out = append(out, t.Name+"="+t.Value)
	}

	slices.Sort(out[1:]) // the version stays first
	return strings.Join(out, ";")
}

// uris returns a list of URIs with their schemes in small letters, sorted (RFC 3986 section 3.1).
func uris(list string) string {
	var out []string
	for uri := range strings.SplitSeq(list, ",") {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(uri), ":")
		if ok {
			scheme = strings.ToLower(scheme) + ":"
		}
		out = append(out, scheme+rest)
	}

	slices.Sort(out)
	return strings.Join(out, ",")
}

// keyMeaning returns which key a DKIM record has, where the record lets it be used for mail as one
// that mailpub writes does.
func keyMeaning(tags []Tag, data string) string {
	kind := tagValue(tags, "k")
	if kind == "" {
		kind = "rsa"
	}

	hashes := tagValue(tags, "h")
	services := tagValue(tags, "s")
	flags := tagValue(tags, "t")
	usable := (hashes == "" || listHas(hashes, "sha256")) &&
		(services == "" || listHas(services, "*") || listHas(services, "email"))

	if !usable || flags != "" && flags != "s" {
		return data
	}

	return "dkim " + kind + " " + strings.Join(strings.Fields(tagValue(tags, "p")), "")
}

func listHas(list, word string) bool {
	for w := range strings.SplitSeq(list, ":") {
		if strings.TrimSpace(w) == word {
			return true
		}
	}
	return false
}

// SameText reports whether two texts of TXT records mean the same.
func SameText(a, b string) bool { return textMeaning(TextData(a)) == textMeaning(TextData(b)) }
