package catalog

// router are the checks of the way in and out.
func router() []Entry {
	return []Entry{
		{
			ID:    RouterGateway,
			Area:  AreaRouter,
			Hop:   InRouter,
			Looks: "Whether a router answers UPnP, PCP or NAT-PMP, and only one. It warns where the config says manual.",
			Why:   "Without it mailpub can neither see nor renew the forwards.",
			Mend:  "Switch UPnP or NAT-PMP on in the router, name it in router.url, or set router.protocol to manual.",
		},
		{
			ID:    RouterWAN,
			Area:  AreaRouter,
			Hop:   InRouter,
			Looks: "The address that the router has outside. It fails where that is private, or one that a provider shares among customers.",
			Why:   "The router is behind another router: its forwards do not work, although it lists them all.",
			Mend:  "Forward the ports in the other router too and set router.behind_nat, make that one a bridge, or ask the provider for a public address.",
		},
		{
			ID:    RouterAddress,
			Area:  AreaRouter,
			Hop:   InRouter,
			Looks: "The public address by the router, seen from outside and in DNS. It fails if they differ.",
			Why:   "Senders connect to the address in DNS. When the provider assigns you another one, mail goes to the new holder of the former one.",
			Mend:  "Run mailpub apply, which publishes the new one, or let mailpub watch follow it (watch.repair: [router, address]); ask the provider for an address that stays.",
		},
		{
			ID:    RouterForward,
			Area:  AreaRouter,
			Hop:   InRouter,
			Looks: "Each forward, as the router lists it. It fails if one is missing, disabled, has another target or another owner; it warns after more than half of its lease.",
			Why:   "A connection from outside ends at the router.",
			Mend:  "Run mailpub apply. If forwards vanish often, the router forgets them when it restarts: run mailpub watch, which restores them at once, or set them manually.",
		},
		{
			ID:    RouterStray,
			Area:  AreaRouter,
			Hop:   InRouter,
			Looks: "Forwards of mailpub that are no longer wanted: those in the ledger, and the ports next to the wanted ones, which some routers assign if a port is in use.",
			Why:   "A port of the server is open to the Internet unnoticed.",
			Mend:  "Run mailpub apply. For forwards that are not in the ledger run mailpub router clean, or remove them in the router.",
		},
		{
			ID:    RouterLoopback,
			Area:  AreaRouter,
			Hop:   InRouter,
			Looks: "Whether an internal client reaches the server at the public address (hairpin NAT). It never fails, and proves nothing about connections from outside.",
			Why:   "A phone or a mail program that uses the public name works on the road and not at the office.",
			Mend:  "Let a DNS server inside answer the server's inside address for its name (split DNS), or switch NAT loopback on in the router.",
		},
		{
			ID:    PortInside,
			Area:  AreaRouter,
			Hop:   InServer,
			Looks: "Each service at its address on the LAN. It fails where nothing listens.",
			Why:   "A forward to a port at which nothing listens is as good as none.",
			Mend:  "Start the service, let it listen at that address and not only at 127.0.0.1, and open the port in the server's own firewall.",
		},
		{
			ID:    PortOutside,
			Area:  AreaRouter,
			Hop:   InRouter,
			Looks: "Each port as the probe reaches it. It fails where it is closed or something else answers. Without a probe it can't be known.",
			Why:   "This is how senders meet the server. What the router lists does not count, nor what answers at the public address from inside.",
			Mend:  "See router.forward and port.inside; where both pass, the provider or another router keeps the port shut.",
		},
		{
			ID:    PortUndeclared,
			Area:  AreaRouter,
			Hop:   InRouter,
			Looks: "Ports of mail and of administration that the config does not name, from the probe. It warns where one is open.",
			Why:   "Scanners find unintentionally open ports within the hour.",
			Mend:  "Remove the forward or the listener, or put the port under router.forwards.",
		},
		{
			ID:    PortEgress25,
			Area:  AreaRouter,
			Hop:   OutRouter,
			Looks: "Port 25 outwards, at the servers of verify.egress. It fails where it is shut or something else answers; one of them that turns out to be this site itself tells nothing.",
			Why:   "Many providers shut it: mail then stays in the queue, or passes a proxy of the provider that alters it.",
			Mend:  "Ask the provider to open it, or send through a smart host (service.delivery).",
		},
	}
}
