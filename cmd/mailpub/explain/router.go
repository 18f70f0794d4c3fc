package explain

// router are the checks of the way in and out.
func router() []Entry {
	return []Entry{
		{"router.gateway", "router",
			"Whether a router answers UPnP, PCP or NAT-PMP, and only one. It warns where the config says manual.",
			"Without it mailpub can neither see nor renew the forwards.",
			"Switch UPnP or NAT-PMP on in the router, name it in router.url, or set router.protocol to manual."},
		{"router.wan", "router",
			"The address that the router has outside. It fails where that is private, or one that a provider shares among customers.",
			"The router is behind another one: its forwards lead nowhere, though it lists them all.",
			"Forward the ports in the other router too and set router.behind_nat, make that one a bridge, or ask the provider for a public address."},
		{"router.address", "router",
			"The public address as the router says it, as it is seen from outside, and as DNS has it. It fails where they differ.",
			"The world connects to the address in DNS. When the provider gives you another one, mail goes to whoever has the former.",
			"Run mailpub apply, which publishes the new one; ask the provider for an address that stays."},
		{"router.forward", "router",
			"Each forward, as the router lists it. It fails where one is missing, leads elsewhere, belongs to somebody else or is off; it warns when more than half of its life is over.",
			"A connection from outside ends at the router.",
			"Run mailpub apply. Where forwards vanish often, the router forgets them when it restarts: let mailpub drift run by a scheduler, or enter them by hand."},
		{"port.inside", "router",
			"Each service at its address on the LAN. It fails where nothing listens.",
			"A forward to a port at which nothing listens is as good as none.",
			"Start the service, let it listen at that address and not only at 127.0.0.1, and open the port in the server's own firewall."},
		{"port.outside", "router",
			"Each port as the probe reaches it. It fails where it is closed or something else answers.",
			"This is how senders meet the server; whatever the router lists does not count.",
			"See router.forward and port.inside; where both pass, the provider or another router keeps the port shut."},
		{"port.undeclared", "router",
			"Ports of mail and of administration that the config does not name, from the probe. It warns where one is open.",
			"What nobody meant to publish is found by scanners within the hour.",
			"Remove the forward or the listener, or put the port under router.forwards."},
		{"port.egress25", "router",
			"Port 25 outwards, at the servers of verify.egress. It fails where it is shut or something else answers.",
			"Many providers shut it: mail then stays in the queue, or passes a proxy of the provider that alters it.",
			"Ask the provider to open it, or send through a smart host (service.delivery)."},
	}
}
