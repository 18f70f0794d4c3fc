package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	// maxSecret bounds what a command may print for a secret, in octets.
	maxSecret = 64 << 10

	// commandGrace is how long the output of a command is read after it has ended: a child that it
	// left behind may hold it open for ever.
	commandGrace = time.Second
)

// runBounded executes a command and returns what it printed. It ends with ctx, whatever the command's
// children do.
func runBounded(ctx context.Context, dir string, words []string) ([]byte, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	out := &limitedBuffer{left: maxSecret, full: stop}
	if err := checkOwner(cmd.Path); cmd.Err == nil && err != nil {
		return nil, err
	}

	cmd.Dir = dir
	cmd.Stdout = out
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = commandGrace
	err := cmd.Run()

	switch {
	case out.over:
		return nil, fmt.Errorf("it printed more than %d KiB", maxSecret>>10)
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, a child of it did not
		return out.buf.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("it did not end in time: %w", ctx.Err())
	}

	return out.buf.Bytes(), err
}

// limitedBuffer is a buffer of bounded size.
type limitedBuffer struct {
	buf  bytes.Buffer // not embedded: its ReadFrom knows no bound
	left int
	over bool
	full func() // called when there is too much
}

// Write implements io.Writer.
func (l *limitedBuffer) Write(p []byte) (int, error) {
	if len(p) > l.left {
		l.over = true
		l.full()
		return 0, errors.New("too much output")
	}
	l.left -= len(p)
	return l.buf.Write(p)
}

// splitWords takes a command line apart as a shell does with quotes and backslashes (POSIX.1-2017, Shell Command
// Language, section 2.2), and nothing else of what a shell does. On Windows, where paths have backslashes, one
// stands for itself except before a double quote.
func splitWords(line string, windows bool) (words []string, err error) {
	var word strings.Builder
	inWord := false
	quote := byte(0)

	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line) &&
			isEscaped(line[i+1], quote, windows):
			i++
			word.WriteByte(line[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
			inWord = true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}

	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}

	if inWord {
		words = append(words, word.String())
	}

	if len(words) == 0 {
		return nil, errors.New("it is empty")
	}

	return words, nil
}

// isEscaped reports whether a backslash before c takes its meaning away.
func isEscaped(c, quote byte, windows bool) bool {
	switch {
	case windows:
		return c == '"'
	case quote == '"':
		return c == '"' || c == '\\' || c == '$' || c == '`'
	}
	return true
}
