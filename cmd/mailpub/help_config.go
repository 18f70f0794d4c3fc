package main

import "github.com/spf13/cobra"

const configHelp = `One file describes a site, in YAML, TOML or JSON, by its ending. It is ./mailpub.yaml
unless -c names another. Paths in it are relative to it. Unknown fields are errors.

site: nomeazienda                     names the ledger; small letters, digits, hyphens
defaults: ../defaults.yaml            what this file does not say; sections are merged, lists are
                                      taken whole. For sites that have much in common
state: .mailpub                       directory of the ledger (this is the default)

server:
  hostname: mail.nomeazienda.it       MX target, PTR, banner
  address: 10.10.10.10                of the mail server on the LAN
  public:
    ipv4: auto                        auto asks the router, and echo; or the address, or none
    ipv6: none                        or the address, which is the server's own; auto finds
                                      it where mailpub runs on the server
    echo: [opendns, google]           DNS services that tell which address they see, to
                                      compare with; also cloudflare, or a question and whom
                                      to ask it: "myip.example.org A 192.0.2.53". By default
                                      nobody outside is asked
  caa: [letsencrypt.org]              who may issue its certificates; by default not said
  dane:                               TLSA records, in a zone that is signed (DNSSEC)
    certificate: served               ask the server by STARTTLS; or a PEM file
    next: next.pem                    certificate or key that comes into use next
    ports: [25]                       the default

domains:                              mail domains, one or more
  - name: nomeazienda.it
    mx: [{host: mail.nomeazienda.it, preference: 10}]       the default
    spf: {include: [_spf.example.net], all: fail}           others that send for it; all is
                                      fail, softfail or neutral, by default what is there
                                      already, else fail
    dkim:                             keys that its mail is signed with; apply makes them
      - selector: m1
        algorithm: rsa                the default, 2048 bits; or ed25519
        file: dkim.pem                by default .mailpub/dkim/DOMAIN.SELECTOR.pem
    dmarc:
      policy: none                    or quarantine, reject; by default no record
      rua: [reports@nomeazienda.it]   where reports go
    tlsrpt: [reports@nomeazienda.it]  where TLS reports go; by default no record
    mta_sts:                          senders deliver under TLS or not at all
      mode: testing                   or enforce, none; by default no policy
      max_age: 168h                   how long senders keep to it
      mx: ["*.example.net"]           allowed beside the domain's own MX
      host: mail.nomeazienda.it       serves the policy; the hostname by default, none:
                                      the name mta-sts.nomeazienda.it is not mailpub's
    autoconfig: mail.nomeazienda.it   host that tells mail programs their settings
    services:                         that mail programs find by themselves (SRV)
      - name: imaps                   or imap, pop3s, pop3, submissions, submission
        host: mail.nomeazienda.it     the hostname by default; "." says that there is none
        port: 993                     the service's own by default

nomail: [www.nomeazienda.it]          names that neither send nor receive mail: null MX,
                                      and an SPF record that lets nobody send

zones:                                DNS zones that hold these names, the longest wins
  - name: nomeazienda.it
    provider: rfc2136                 "mailpub providers" lists them; manual: a person
    ttl: 1h                           of new records; 1s to 168h
    nameservers: ["192.0.2.53:53"]    to verify at, where not those that NS records name
    settings:                         "mailpub providers NAME" lists them
      server: "192.0.2.53:53"
      key_name: mailpub.
      key: "env:MAILPUB_TSIG_KEY"     secrets are references: env:NAME, file:PATH,
                                      exec:COMMAND

  The PTR of a public address goes into the reverse zone that is listed here, say
  2.2.2.in-addr.arpa. Where there is none, plan says what to ask the provider for.

router:
  protocol: auto                      upnp, pcp, nat-pmp; nftables: mailpub runs on the
                                      router, which is Linux; manual: a person; none: the
                                      server has the public address itself
  interface: eth0                     where several routers answer: the one behind this;
                                      with nftables the router's own outside
  url: http://192.168.1.1:5000/rootDesc.xml                 or with this UPnP description
  gateway: 192.168.1.1                for pcp and nat-pmp: not the default gateway
  behind_nat: false                   true: the router is behind another one, which forwards the
                                      same ports to it; else apply stops before MX there
  ipv6: pinholes                      opened for each forward, by pcp, or by upnp from port
                                      1024; the AAAA record waits for all of them. open: IPv6
                                      comes in anyway, or is let in by hand
  gateway6: fe80::1%eth0              for pinholes by pcp: not the default gateway of IPv6
  lease: 168h                         to ask for; apply renews what is half gone
  timeout: 5s                         for a request that reads; a slow router needs more, and gets
                                      three times as long to write
  forwards:
    - name: smtp
      port: 25                        outside
      internal: 25                    at server.address; by default the same
      proto: tcp                      or udp

service:
  type: receiver                      the bundled one; postfix: mailpub sets it up; mdaemon,
                                      exim, opensmtpd, mox, maddy: mailpub looks, and says
                                      where a person sets what; manual: any other
  aliases:                            postmaster and abuse are always there
    - {address: postmaster, to: mario}                      in every domain, and alone
    - {address: info@nomeazienda.it, to: lucia}
  delivery:
    mode: direct                      fallback: directly, and where that fails through the
                                      smart host; smart_host: all through it
    smart_host: smtp.example.net:587
    spf: [_spf.example.net]           whose SPF records list the smart host; the domains'
                                      own records then include them
  networks: [192.168.1.50/32]         that may send without a password, beside the server
                                      itself; by default none
  backup_for: [example.org]           domains of others that it is a backup MX of
  collectors: [{host: pop.example.net}]                     that it fetches mail from
  settings:                           of the type; these are the defaults of postfix:
    config_directory: /etc/postfix
    dovecot: /etc/dovecot/dovecot.conf
    pam: /etc/pam.d/common-password
                                      and those of mdaemon, without which only SMTP tells:
    # url: https://mail.nomeazienda.it:444/MdMgmtWS/
    # user: admin@nomeazienda.it      a global administrator
    # password: "env:MDAEMON_PASSWORD"
    # fingerprint: 9f86d0...          SHA-256 of its certificate; or ca_file, or neither
  maildir: mail                       where mailboxes are: mail/MAILBOX/new; where the
                                      receiver keeps them, by default mail
  tls:                                for STARTTLS; by default there is none
    certificate: fullchain.pem        a PEM file, read again when it changes; or acme: made and
                                      renewed by DNS-01, in the zone of the hostname
    key: privkey.pem                  with a file
    email: mario@nomeazienda.it       with acme: whom the authority warns
    directory: https://acme.example.org/directory           not Let's Encrypt
    roots: roots.pem                  who vouches for the directory, if not the system's
  limits:                             of the receiver; these are the defaults
    size: 50M                         of a message: octets, or with K, M, G
    recipients: 1000                  of a message
    connections: 200                  at the same time
    per_address: 50                   of these, from one address outside the own network
    rate: 300                         connections and messages a minute from such an address
  journal: journal.jsonl              a line of JSON for each message and refusal; by default none
  metrics: 127.0.0.1:9025             for Prometheus, at /metrics; by default none
  user: mailpub                       that the receiver goes on as once its ports are open
  sender_checks: true                 the default: SPF, DKIM and DMARC are said on top of
                                      each message (Authentication-Results)
  listen: 10.10.10.10:25              of the receiver; by default server.address and the
                                      port of smtp

verify:
  resolvers: [192.0.2.53]             by default the system's
  egress: [mx.example.net]            mail servers outside that port 25 is tried at
  hosts: /etc/hosts                   by default the system's
  dnsbl: [zen.spamhaus.org]           block lists to ask about the public addresses; by default
                                      none is asked
  accounts: true                      try three logins that anybody guesses (account.weak); a
                                      server may take that for an attack, so not by default
  mailbox:                            to find the test message in, as its reader does
    imap: 10.10.10.10:143             or pop3: 10.10.10.10:110, or both
    user: mario                       who gets the postmaster's mail
    password: "env:MARIO_PASSWORD"    a reference
  probe:                              a vantage outside, see "mailpub help probe"
    url: https://probe.example.net:8443
    token: "env:MAILPUB_PROBE_TOKEN"  a reference
    fingerprint: 3f2a...              of the probe's own certificate, as it prints it; by
                                      default the system decides whom it trusts

watch:                                what "mailpub watch" does, see there
  every: 15m                          between two looks; this is the default
  # cron: "*/15 6-22 * * *"           instead of every: minute, hour, day, month, weekday
  jitter: 90s                         at most so much later, that many do not come at once;
                                      by default a tenth of every, with cron none
  repair: [router]                    what it mends by itself. router: renews leases and puts
                                      its own forwards back (the default); address: DNS
                                      follows the public address; dns, service: puts back
                                      what it had written; []: nothing
  address_changes_per_hour: 4         more are not followed; this is the default
  address_confirm: 30s                how long a new address must stay where one source alone
                                      tells it; this is the default
  notify:                             whom it tells; try it with mailpub watch --test-notice
    - url: "env:MAILPUB_NOTIFY"       a reference to a shoutrrr URL: mail, Slack, Telegram,
                                      Discord, Gotify, ntfy and others
    - webhook: https://example.org/hook                     gets JSON, by POST
      secret: "env:MAILPUB_HOOK"      a reference: signs it (docs/watch.md)
    - exec: [/usr/local/bin/tell, arg]                      gets the same on standard input`

// configTopic is a page of the help, no command.
func configTopic() *cobra.Command {
	return &cobra.Command{Use: "config", Short: "the config file, field by field", Long: configHelp}
}
