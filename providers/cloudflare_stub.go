package providers

import "github.com/libdns/libdns"

const proxied = "proxied"

func noted(rec libdns.Record, r record) libdns.Record { return rec }
func cloudflareProvider() Provider                    { return Provider{Name: "cloudflare"} }
