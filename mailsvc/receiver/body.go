package receiver

// body cleans the octets of a message as DATA brings them, so that there is one opinion only
// of where lines and the message end. RFC 5321 section 2.3.8 allows CR and LF only
// together, and section 4.1.1.4 ends the message at CR LF "." CR LF alone. Servers that
// disagree on a bare CR or LF let one message be smuggled inside another, so each is
// replaced by NUL, which is no text either, and for which the session refuses the whole message.
type body struct {
	inLine bool // something stands in this line
	dot    bool // namely one dot, and nothing else
	cr     bool // a CR is held back until what follows is seen
	dirty  bool // there was something to replace, or a NUL
}

// refused is what stands for an octet that may not be there.
const refused = 0

// take appends part to dst, cleaned. It stops after the end of the message: n is how
// much of part belongs to it. At most one octet more is appended than part has.
func (b *body) take(dst, part []byte) (clean []byte, n int, end bool) {
	for i, c := range part {
		if b.cr {
			b.cr = false
			if c == '\n' {
				dst = append(dst, '\r', '\n')
				if b.dot {
					return dst, i + 1, true
				}
				b.inLine = false
				continue
			}

			dst = b.refuse(dst)
		}

		switch c {
		case '\r':
			b.cr = true
		case '\n', refused:
			dst = b.refuse(dst)
		default:
			dst = b.put(dst, c)
		}
	}

	return dst, len(part), false
}

func (b *body) put(dst []byte, c byte) []byte {
	b.dot = c == '.' && !b.inLine
	b.inLine = true
	return append(dst, c)
}

func (b *body) refuse(dst []byte) []byte {
	b.dirty = true
	return b.put(dst, refused)
}
