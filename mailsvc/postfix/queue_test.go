package postfix

import (
	"testing"
	"time"
)

// The queue says why a message waits; other messages, and older ones, are not taken for it.
func TestQueued(t *testing.T) {
	const text = `{"queue_name": "deferred", "queue_id": "A1", "arrival_time": 1764442800, "message_size": 900, "forced_expire": false, "sender": "mario@nomeazienda.it", "recipients": [{"address": "other@provider.example", "delay_reason": "connect to x[192.0.2.1]:25: Connection timed out"}]}
{"queue_name": "deferred", "queue_id": "A2", "arrival_time": 1764400000, "message_size": 900, "forced_expire": false, "sender": "mario@nomeazienda.it", "recipients": [{"address": "mario@provider.example", "delay_reason": "of yesterday"}]}
{"queue_name": "deferred", "queue_id": "A3", "arrival_time": 1764442801, "message_size": 900, "forced_expire": false, "sender": "mario@nomeazienda.it", "recipients": [{"address": "Mario@provider.example", "delay_reason": "host mx.provider.example[192.0.2.5] said: 450 4.2.0 Greylisted (in reply to RCPT TO command)"}]}
{"queue_name": "active", "queue_id": "A4", "arrival_time": 1764442802, "message_size": 900, "forced_expire": false, "sender": "anna@nomeazienda.it", "recipients": [{"address": "mario@provider.example"}]}
`

	since := time.Unix(1764442800, 0)
	for _, c := range []struct{ text, sender, recipient, want string }{
		{text, "mario@nomeazienda.it", "mario@provider.example", "host mx.provider.example[192.0.2.5] said: 450 4.2.0 Greylisted (in reply to RCPT TO command)"},
		{text, "anna@nomeazienda.it", "mario@provider.example", "it waits in the queue active"},
		{text, "postmaster@nomeazienda.it", "mario@provider.example", ""},
		{"", "mario@nomeazienda.it", "mario@provider.example", ""},
	} {
		if got, err := queued(c.text, c.sender, c.recipient, since); got != c.want ||
			err != nil {
			t.Errorf("%s: %q %v, want %q", c.sender, got, err, c.want)
		}
	}

	if _, err := queued("Mail queue is empty\n", "a", "b", since); err == nil {
		t.Error("an answer that is no JSON is taken for an empty queue")
	}
}
