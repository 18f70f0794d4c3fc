package postfix

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Queued returns why a message from a sender to a recipient, handed in since a time, still is in the queue: the words
// of the last attempt. "" means that it is not there.
func (d *Driver) Queued(ctx context.Context, sender, recipient string, since time.Time) (string, error) {
	text, err := d.run(ctx, "postqueue", "-c", d.Dir, "-j")
	if err != nil {
		return "", err
	}
	return queued(text, sender, recipient, since)
}

// queued looks into what "postqueue -j" prints: one JSON object a message, of postqueue(1).
func queued(text, sender, recipient string, since time.Time) (string, error) {
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}

		var m struct {
			Queue      string `json:"queue_name"`
			Arrived    int64  `json:"arrival_time"`
			Sender     string `json:"sender"`
			Recipients []struct {
				Address string `json:"address"`
				Reason  string `json:"delay_reason"`
			} `json:"recipients"`
		}

		if err := json.Unmarshal([]byte(line), &m); err != nil {
			return "", fmt.Errorf("postqueue: %w", err)
		}
		if !strings.EqualFold(m.Sender, sender) || m.Arrived < since.Unix()-1 {
			continue
		}

		for _, r := range m.Recipients {
			if strings.EqualFold(r.Address, recipient) {
				return cmp.Or(r.Reason, "it waits in the queue "+m.Queue), nil
			}
		}
	}

	return "", nil
}
