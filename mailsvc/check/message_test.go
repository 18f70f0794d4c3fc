package check

import "testing"

// A client may call itself by an address that is not its own: what the server saw counts.
func TestClient(t *testing.T) {
	for field, want := range map[string]string{
		"Received: from mail.example.org (mail.example.org [192.0.2.7])\r\n":                    "192.0.2.7",
		"Received: from [2.2.2.1] (unknown [10.10.10.1])\r\n\t(using TLSv1.3)":                  "10.10.10.1", // Postfix
		"Received: from [2.2.2.1] ([10.10.10.1]) by mail.nomeazienda.it":                        "10.10.10.1",
		"Received: from [10.10.10.1] (helo=[2.2.2.1]) by mail.nomeazienda.it with esmtp (Exim)": "10.10.10.1",
		"received: from probe ([10.10.10.1] helo=[2.2.2.1])":                                    "10.10.10.1",
		"Received: from x (x [IPv6:2001:db8::25])":                                              "2001:db8::25",
		"Received: from [192.0.2.7] by mail.nomeazienda.it":                                     "192.0.2.7",
		"Received: by mail.nomeazienda.it; from [192.0.2.7]":                                    "",
		"X-Received: from x (x [192.0.2.7])":                                                    "",
	} {
		if a, ok := client(field); ok != (want != "") || ok && a.String() != want {
			t.Errorf("%q: %v, %v, want %q", field, a, ok, want)
		}
	}
}
