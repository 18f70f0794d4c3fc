package receiver

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// A segment of the commit log is a header and then records. Numbers are big-endian.
//
//	header: magic, salt (8), length of the boot's name (1), the name (63)
//	record: length of the content (4), checksum of salt and content (4), content
//	content: kind (1), name (1 + n), number of mailboxes (2), each (1 + n), the message
//
// A segment is used again and again. What is left in it of an earlier use has another
// salt, so its checksums do not hold.
const (
	segmentMagic  = "mailpub log 1\r\n\x00"
	segmentHeader = 16 + 8 + 64
	recordHeader  = 8
)

// Kinds of records.
const (
	recordMessage = 1 // a message for its mailboxes
	recordVoid    = 2 // the message of this name is in none: its sender was told to come back
)

// record is a message that is durable in the log before it is so in its mailboxes.
type record struct {
	kind      byte
	name      string
	mailboxes []string
	data      []byte
}

// appendHeader appends the header of a segment.
func appendHeader(dst []byte, salt uint64, boot string) []byte {
	dst = append(dst, segmentMagic...)
	dst = binary.BigEndian.AppendUint64(dst, salt)
	var name [64]byte
	name[0] = byte(copy(name[1:], boot))
	return append(dst, name[:]...)
}

// appendRecord appends a record as it is before its salt is known: see seal.
func appendRecord(dst []byte, r record) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, recordHeader)...)
	dst = append(dst, r.kind)
	dst = appendWord(dst, r.name)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.mailboxes)))

	for _, box := range r.mailboxes {
		dst = appendWord(dst, box)
	}

	dst = append(dst, r.data...)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-recordHeader))
	return dst
}

// appendWord appends a name of up to 255 octets; names of files have no more.
func appendWord(dst []byte, word string) []byte {
	return append(append(dst, byte(len(word))), word...)
}

// addChecksums gives each of the records in data its checksum.
func addChecksums(data []byte, salt uint64) {
	for len(data) > 0 {
		end := recordHeader + int(binary.BigEndian.Uint32(data))
		binary.BigEndian.PutUint32(data[4:], checksum(salt, data[recordHeader:end]))
		data = data[end:]
	}
}

func checksum(salt uint64, content []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var s [8]byte
	binary.BigEndian.PutUint64(s[:], salt)
	return crc32.Update(crc32.Update(0, table, s[:]), table, content)
}

// readSegment returns the records of a segment up to the first that is not whole: a batch is written
// only once the one before it is on disk, so nothing behind that was answered for. ok is false
// where the segment is not in use.
func readSegment(data []byte) (boot string, records []record, ok bool) {
	if len(data) < segmentHeader || !bytes.HasPrefix(data, []byte(segmentMagic)) {
		return "", nil, false
	}

	salt := binary.BigEndian.Uint64(data[len(segmentMagic):])
	name := data[len(segmentMagic)+8 : segmentHeader]
	boot = string(name[1 : 1+min(int(name[0]), len(name)-1)])
	data = data[segmentHeader:]

	for len(data) >= recordHeader {
		n := int64(binary.BigEndian.Uint32(data))
		if n == 0 || n > int64(len(data)-recordHeader) {
			break
		}

		content := data[recordHeader : recordHeader+n]
		r, whole := parseRecord(content)
		if checksum(salt, content) != binary.BigEndian.Uint32(data[4:]) || !whole {
			break
		}

		records = append(records, r)
		data = data[recordHeader+n:]
	}

	return boot, records, true
}

func parseRecord(content []byte) (r record, ok bool) {
	take := func(n int) (part []byte) {
		if ok = ok && n <= len(content); ok {
			part = content[:n]
			content = content[n:]
		}
		return part
	}

	word := func() string {
		if n := take(1); ok {
			return string(take(int(n[0])))
		}
		return ""
	}

	ok = true
	if kind := take(1); ok {
		r.kind = kind[0]
	}

	r.name = word()
	if count := take(2); ok {
		for range binary.BigEndian.Uint16(count) {
			r.mailboxes = append(r.mailboxes, word())
		}
	}

	r.data = content
	return r, ok
}
