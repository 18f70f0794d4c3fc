package metrics

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ticks is how many clock ticks of /proc a second has: Linux says 100 to every program (proc(5), USER_HZ).
const ticks = 100

// readProcess reads /proc/self. ok is false where it cannot be read.
func readProcess() (p process, ok bool) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return p, false
	}

	// The name in parentheses may hold blanks; the third field stands behind it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const first = 3
	number := func(n int) float64 {
		if n-first >= len(fields) {
			return 0
		}
		v, _ := strconv.ParseFloat(string(fields[n-first]), 64)
		return v
	}

	booted, ok := bootTime()
	open, err := os.ReadDir("/proc/self/fd")
	if len(fields) < 22 || !ok || err != nil {
		return p, false
	}

	seconds := func(n float64) time.Duration {
		return time.Duration(n / ticks * float64(time.Second))
	}

	p.cpu = seconds(number(14) + number(15))
	p.start = booted.Add(seconds(number(22)))
	p.threadCount = number(20)
	p.virtual = number(23)
	p.resident = number(24) * float64(os.Getpagesize())
	p.openFiles = float64(len(open) - 1) // without that of the directory
	var limit unix.Rlimit

	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur != unix.RLIM_INFINITY {
		p.mostFiles = float64(limit.Cur)
	}

	return p, true
}

// bootTime is when the system started.
func bootTime() (time.Time, bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, false
	}

	for line := range bytes.Lines(stat) {
		if text, found := bytes.CutPrefix(line, []byte("btime ")); found {
			at, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
			return time.Unix(at, 0), err == nil
		}
	}

	return time.Time{}, false
}
