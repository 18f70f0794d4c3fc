#!/bin/bash
# A whole Internet in four network namespaces, to try mailpub on one machine (as root).
#
#   inet     2.2.2.1, 2.2.2.3, 2.2.2.4   the outside; a name server on 2.2.2.3 holds nomeazienda.it
#   router   2.2.2.2 | 10.10.10.1        nftables, and miniupnpd for UPnP and NAT-PMP
#   lan      10.10.10.10                 the mail server
#   lan2     10.10.10.20                 a neighbour
#
#   lab.sh up                  make it
#   lab.sh down                end what runs in it, and remove it
#   lab.sh status              the hosts, their addresses, what runs
#   lab.sh exec HOST CMD...    run a command on a host
#   lab.sh key                 print the TSIG secret of the key "mailpub."
#   lab.sh mappings            print what the router forwards
#   lab.sh wan ADDRESS/LENGTH  give the router another address outside
#   lab.sh dns stop|start      end the name server, or start it again (bind alone)
#   lab.sh goodbye             end the router's daemon in good order
#   lab.sh reboot              power-cycle the router's daemon: it forgets every mapping
#
# Environment, read by up:
#   LAB=mailpub     name of the lab; labs of different names share nothing
#   IGD=2           UPnP version of the router: 2 or 1; 0 starts no daemon
#   UPNP=yes        NATPMP=yes        which protocols the router answers
#   SECURE=yes      no: a host may map ports to another host
#   DENY=           external ports the router refuses, as "1-1023"
#   LEASE=          the longest lease that the router grants by PCP, in seconds
#   DOUBLE=         "100.64.0": the router's WAN is 100.64.0.2, behind a provider's NAT
#                   (host isp) that has 2.2.2.2
#   LIE=no          yes: with DOUBLE, the router claims 2.2.2.2 as its own
#   V6=no           yes: IPv6 as well, without NAT: inet 2001:db8:2::1, lan 2001:db8:10::10; the
#                   router lets nothing in but through pinholes
#   SECOND=no       yes: host router2 (2.2.2.9) on a second network card of lan
#   DNS=bind        the name server: or knot, powerdns
#   SIGNED=no       yes: nomeazienda.it is signed (DNSSEC)
#
# Every link has both ends inside this lab, so that nothing in it reaches the machine
# or its network; `up` makes sure of it.
set -u

LAB=${LAB:-mailpub}
STATE=/run/mailpub-lab/$LAB
die() { echo "lab: $*" >&2; exit 1; }
alive() { grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"; }
[[ $LAB =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || die "bad name in LAB: '$LAB'"

on() { local h=$1; shift; ip netns exec "$LAB-$h" "$@"; }   # run a command on a host
net() { local h=$1; shift; ip -n "$LAB-$h" "$@"; }          # ip(8) on a host

need() {
  local missing=()
  [ "$(id -u)" = 0 ] || die "must be root"
  for c in ip ss nft miniupnpd named flock; do command -v "$c" >/dev/null || missing+=("$c"); done
  [ ${#missing[@]} = 0 ] || die "missing ${missing[*]}: apt-get install --no-install-recommends iproute2 nftables miniupnpd-nftables bind9 bind9-dnsutils conntrack"
}

# set_kernel HOST NAME VALUE: a network setting of a host's kernel, by sysctl(8)'s files, as
# the program itself is not on every machine.
set_kernel() { on "$1" sh -c 'echo "$2" >"/proc/sys/net/$1"' sh "$2" "$3"; }

# host NAME: a namespace of its own. The lock is for labs made at the same time.
host() {
  flock /run/mailpub-lab/lock ip netns add "$LAB-$1" || die "host $1 can't be made"
  echo "$1" >>"$STATE/hosts"
  if [ "$V6" = yes ]; then
    for v in all default; do set_kernel "$1" ipv6/conf/$v/accept_dad 0; set_kernel "$1" ipv6/conf/$v/accept_ra 0; done
  else
    set_kernel "$1" ipv6/conf/all/disable_ipv6 1 2>/dev/null # a kernel without IPv6 has no such file
  fi
  net "$1" link set lo up
}

# link HOST IF HOST IF: a cable. Both ends are born inside the lab.
link() {
  net "$1" link add "$2" type veth peer name "$4" netns "$LAB-$3" || die "no link between $1 and $3"
  net "$1" link set "$2" up
  net "$3" link set "$4" up
}

# switch HOST NAME PORT...: a bridge on a host, with the given interfaces in it. It switches and does
# no more: a kernel with br_netfilter hands its frames to the rules for packets, and then sends what
# they translate back by the port that it came from, which drops it.
switch() {
  local h=$1 name=$2 p; shift 2
  for p in iptables ip6tables arptables; do set_kernel "$h" bridge/bridge-nf-call-$p 0 2>/dev/null; done
  net "$h" link add "$name" type bridge forward_delay 0 stp_state 0 mcast_snooping 0
  net "$h" link set "$name" up
  for p; do net "$h" link set "$p" master "$name"; done
}

address() { net "$1" addr add "$3" dev "$2"; }

# nat HOST WAN LAN: an ordinary home router
nat() {
  set_kernel "$1" ipv4/ip_forward 1 || die "$1 can't be made to forward packets"
  on "$1" nft -f - <<NFT || die "nftables refused on $1"
table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname { "lo", "$3" } accept
    meta l4proto { icmp, ipv6-icmp } accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "$3" accept
    jump miniupnpd
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump prerouting_miniupnpd
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    jump postrouting_miniupnpd
    meta nfproto ipv4 oifname "$2" masquerade
  }
}
NFT
}

# igd_config HOST WAN LAN: the configuration of its miniupnpd
igd_config() {
  local sum; sum=$(printf %s "$LAB-$1" | md5sum)
  cat <<CONF
ext_ifname=$2
listening_ip=$3
http_port=5000
enable_upnp=$UPNP
enable_natpmp=$NATPMP
secure_mode=$SECURE
system_uptime=no
uuid=${sum:0:8}-${sum:8:4}-${sum:12:4}-${sum:16:4}-${sum:20:12}
serial=$LAB-$1
friendly_name=lab $1
lease_file=$STATE/$1.leases
minissdpdsocket=$STATE/no-minissdpd
CONF
  [ "$IGD" = 1 ] && echo force_igd_desc_v1=yes
  [ "$V6" = yes ] && echo "lease_file6=$STATE/$1.leases6" || echo ipv6_disable=yes
  [ "$LIE" = yes ] && echo ext_ip=2.2.2.2
  [ -n "$LEASE" ] && printf 'min_lifetime=1\nmax_lifetime=%s\n' "$LEASE"
  [ -n "$DENY" ] && echo "deny $DENY 0.0.0.0/0 0-65535"
  echo "allow 1-65535 10.0.0.0/8 1-65535"
  echo "deny 0-65535 0.0.0.0/0 0-65535"
}

# daemon HOST NAME PORTS CMD...: start it and wait until it listens on one of PORTS. It
# sees neither the machine's syslog nor its console, which can be a slow serial line;
# ip-netns(8) gives it mounts of its own.
daemon() {
  local h=$1 name=$2 ports=$3 i; shift 3
  setsid ip netns exec "$LAB-$h" sh -c '
    for f in /dev/log /dev/console; do [ ! -e $f ] || mount --bind /dev/null $f; done
    exec "$@"' sh "$@" </dev/null >>"$STATE/$name.log" 2>&1 &
  local pid=$!
  echo "$pid" >"$STATE/$name.pid"
  for ((i = 0; i < 500; i++)); do
    alive "$pid" || { tail -n 5 "$STATE/$name.log" >&2; die "$name ended at once"; }
    on "$h" ss -Hlntu | grep -qE ":($ports) " && return
    sleep 0.02
  done
  die "$name does not listen, see $STATE/$name.log"
}

crash() { # NAME [SIGNAL]
  local pid i
  pid=$(cat "$STATE/$1.pid" 2>/dev/null) || return 0
  kill -"${2:-KILL}" "$pid" 2>/dev/null
  for ((i = 0; i < 500; i++)); do alive "$pid" || break; sleep 0.02; done
  rm -f "$STATE/$1.pid"
}

igd_start() {
  local port=5351; [ "$UPNP" = yes ] && port=5000
  : >"$STATE/$1.leases"; : >"$STATE/$1.leases6"
  daemon "$1" "$1" $port "$(command -v miniupnpd)" -d -f "$STATE/$1.conf" -P "$STATE/$1.upid"
}

igd() { # HOST WAN LAN
  igd_config "$@" >"$STATE/$1.conf"
  [ "$IGD" = 0 ] || [ "$UPNP$NATPMP" = nono ] || igd_start "$1"
}

# name_server: the outside's DNS, with a directory that it may write to, and a key that may
# update and transfer both zones.
name_server() {
  local dir=$STATE/dns
  # Debian's AppArmor profile lets BIND write below /var/cache/bind only.
  [ "$DNS" = bind ] && [ -d /var/cache/bind ] && dir=/var/cache/bind/mailpub-lab-$LAB
  mkdir -p "$dir"; echo "$dir" >"$STATE/dns-dir"
  (umask 077; head -c 32 /dev/urandom | base64 >"$STATE/key")
  cat >"$dir/nomeazienda.it" <<'ZONE'
$TTL 3600
@    SOA  ns hostmaster 1 3600 900 604800 300
     NS   ns
     TXT  "google-site-verification=of-somebody-else"
ns   A    2.2.2.3
www  A    2.2.2.4
ZONE
  cat >"$dir/2.2.2.in-addr.arpa" <<'ZONE'
$TTL 3600
@    SOA  ns.nomeazienda.it. hostmaster.nomeazienda.it. 1 3600 900 604800 300
     NS   ns.nomeazienda.it.
4    PTR  www.nomeazienda.it.
ZONE
  case $DNS in bind | knot | powerdns) "$DNS" "$dir" ;; *) die "bad name server in DNS: '$DNS'" ;; esac
}

bind() { # DIRECTORY
  local signing=
  [ "$SIGNED" = yes ] && signing="dnssec-policy default; inline-signing no;"
  (umask 077; cat >"$1/named.conf") <<CONF
options {
  directory "$1";
  listen-on { 2.2.2.3; };
  listen-on-v6 { none; };
  pid-file none;
  session-keyfile none;
  recursion no;
  notify no;
  dnssec-validation no;
  allow-transfer { key "mailpub."; };
};
controls { };
key "mailpub." { algorithm hmac-sha256; secret "$(cat "$STATE/key")"; };
zone "nomeazienda.it" { type primary; file "nomeazienda.it"; allow-update { key "mailpub."; }; $signing };
zone "2.2.2.in-addr.arpa" { type primary; file "2.2.2.in-addr.arpa"; allow-update { key "mailpub."; }; };
CONF
  bind_start "$1"
}

bind_start() { daemon inet named 53 "$(command -v named)" -g -n 1 -c "$1/named.conf"; } # DIRECTORY

knot() { # DIRECTORY
  local signing=off
  [ "$SIGNED" = yes ] && signing=on
  (umask 077; cat >"$1/knot.conf") <<CONF
server:
  rundir: "$1"
  listen: 2.2.2.3@53
database:
  storage: "$1"
key:
  - id: mailpub.
    algorithm: hmac-sha256
    secret: "$(cat "$STATE/key")"
acl:
  - id: mailpub
    key: mailpub.
    action: [update, transfer]
template:
  - id: default
    storage: "$1"
    file: "%s"
    acl: mailpub
zone:
  - domain: nomeazienda.it
    dnssec-signing: $signing
  - domain: 2.2.2.in-addr.arpa
CONF
  daemon inet knotd 53 "$(command -v knotd)" -c "$1/knot.conf"
}

powerdns() { # DIRECTORY
  local zone
  sqlite3 "$1/db" </usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql
  cat >"$1/pdns.conf" <<CONF
launch=gsqlite3
gsqlite3-database=$1/db
gsqlite3-dnssec=yes
local-address=2.2.2.3
socket-dir=$1
dnsupdate=yes
allow-dnsupdate-from=0.0.0.0/0
allow-axfr-ips=
consistent-backends=yes
zone-cache-refresh-interval=0
CONF
  pdns() { pdnsutil --config-dir="$1" "${@:2}" >>"$STATE/pdnsutil.log" 2>&1 || die "pdnsutil $2, see $STATE/pdnsutil.log"; }
  pdns "$1" import-tsig-key mailpub. hmac-sha256 "$(cat "$STATE/key")"
  for zone in nomeazienda.it 2.2.2.in-addr.arpa; do
    pdns "$1" load-zone $zone "$1/$zone"
    pdns "$1" set-meta $zone TSIG-ALLOW-AXFR mailpub.
    pdns "$1" set-meta $zone TSIG-ALLOW-DNSUPDATE mailpub.
  done
  [ "$SIGNED" = yes ] && { pdns "$1" secure-zone nomeazienda.it; pdns "$1" rectify-zone nomeazienda.it; }
  daemon inet pdns_server 53 "$(command -v pdns_server)" --config-dir="$1" --daemon=no --guardian=no
}

up() {
  need
  [ -e "$STATE" ] && die "lab '$LAB' is up already"
  IGD=${IGD:-2} UPNP=${UPNP:-yes} NATPMP=${NATPMP:-yes} SECURE=${SECURE:-yes} DENY=${DENY:-} LEASE=${LEASE:-}
  DOUBLE=${DOUBLE:-} LIE=${LIE:-no} SECOND=${SECOND:-no} V6=${V6:-no} DNS=${DNS:-bind} SIGNED=${SIGNED:-no}
  mkdir -p "$STATE"; : >"$STATE/hosts"
  for v in IGD UPNP NATPMP SECURE DENY LEASE DOUBLE LIE SECOND V6 DNS SIGNED; do printf '%s=%q\n' $v "${!v}"; done >"$STATE/env"
  trap 'echo "lab: not made, removing what there is of it" >&2; down >&2' EXIT

  host inet; host router; host lan; host lan2
  local wan=2.2.2.2/24 via=2.2.2.1
  if [ -n "$DOUBLE" ]; then
    wan=$DOUBLE.2/24 via=$DOUBLE.1
    host isp
    link inet w0 isp wan0; link isp lan0 router wan0
    address isp wan0 2.2.2.2/24; address isp lan0 "$DOUBLE.1/24"
    net isp route add default via 2.2.2.1
    nat isp wan0 lan0
  else
    link inet w0 router wan0
  fi
  switch inet br0 w0
  for a in 1 3 4; do address inet br0 "2.2.2.$a/24"; done

  link router p1 lan eth0; link router p2 lan2 eth0
  switch router lan0 p1 p2
  address router wan0 "$wan"; address router lan0 10.10.10.1/24
  address lan eth0 10.10.10.10/24; address lan2 eth0 10.10.10.20/24
  net router route add default via "$via"
  net lan route add default via 10.10.10.1
  net lan2 route add default via 10.10.10.1
  nat router wan0 lan0
  if [ "$V6" = yes ]; then
    set_kernel router ipv6/conf/all/forwarding 1 || die "router can't be made to forward IPv6"
    address inet br0 2001:db8:2::1/64; address router wan0 2001:db8:2::2/64
    address router lan0 2001:db8:10::1/64; address lan eth0 2001:db8:10::10/64; address lan2 eth0 2001:db8:10::20/64
    net inet -6 route add 2001:db8:10::/64 via 2001:db8:2::2
    net router -6 route add default via 2001:db8:2::1
    net lan -6 route add default via 2001:db8:10::1
    net lan2 -6 route add default via 2001:db8:10::1
  fi

  if [ "$SECOND" = yes ]; then
    host router2
    link inet w1 router2 wan0; link router2 lan0 lan eth1
    net inet link set w1 master br0
    address router2 wan0 2.2.2.9/24; address router2 lan0 10.20.20.1/24
    address lan eth1 10.20.20.10/24
    net router2 route add default via 2.2.2.1
    nat router2 wan0 lan0
  fi

  isolated || die "the lab is not isolated"
  name_server
  igd router wan0 lan0
  [ "$SECOND" = yes ] && igd router2 wan0 lan0
  trap - EXIT
  echo "lab '$LAB' is up; the key of the zones: export MAILPUB_TSIG_KEY=\$(LAB=$LAB $0 key)"
}

# isolated: every interface of every host is the host's own or has its other end in
# this lab, the outside has no way further out, and the machine has no link into it.
isolated() {
  local h line bad=0
  while read -r h; do
    while read -r line; do
      case $line in
        *": lo: "* | *": br0: "* | *": lan0: "*"bridge"* | *"link-netns $LAB-"*) ;;
        *) echo "lab: $h has a link to elsewhere: $line" >&2; bad=1 ;;
      esac
    done < <(net "$h" -d -o link)
  done <"$STATE/hosts"
  [ -z "$(net inet route show default; net inet -6 route show default)" ] || { echo "lab: inet has a default route" >&2; bad=1; }
  ip -o link | grep -q "link-netns $LAB-" && { echo "lab: the machine has a link into the lab" >&2; bad=1; }
  return $bad
}

down() {
  [ -d "$STATE" ] || { echo "lab '$LAB' is not up"; return 0; }
  local h i pids sig=TERM
  for ((i = 0; i < 200; i++)); do # the daemons, and whatever else was started on the hosts
    pids=$(while read -r h; do ip netns pids "$LAB-$h" 2>/dev/null; done <"$STATE/hosts")
    [ -n "$pids" ] || break
    # shellcheck disable=SC2086
    ((i % 50)) || { kill -$sig $pids 2>/dev/null; sig=KILL; }
    sleep 0.02
  done
  while read -r h; do ip netns del "$LAB-$h" 2>/dev/null; done <"$STATE/hosts"
  [ -e "$STATE/dns-dir" ] && rm -rf "$(cat "$STATE/dns-dir")"
  rm -rf "$STATE"
  echo "lab '$LAB' is down"
}

loaded() { [ -e "$STATE/env" ] || die "lab '$LAB' is not up"; . "$STATE/env"; }

status() {
  local h p
  while read -r h; do
    printf '%-8s %s\n' "$h" "$(net "$h" -br -4 addr | awk '$1 != "lo" { sub(/@.*/, "", $1); printf "%s", $1; for (i = 3; i <= NF; i++) printf " %s", $i; printf "  " }')"
  done <"$STATE/hosts"
  for p in "$STATE"/*.pid; do
    [ -e "$p" ] && alive "$(cat "$p")" && printf '%-8s runs as process %s\n' "$(basename "$p" .pid)" "$(cat "$p")"
  done
  return 0
}

flush() { local c; for c in miniupnpd prerouting_miniupnpd postrouting_miniupnpd; do on router nft flush chain inet filter $c; done; }

case ${1:-} in
  up) up ;;
  down) down ;;
  status) loaded; status ;;
  exec) loaded; shift; h=${1:?HOST}; shift; exec ip netns exec "$LAB-$h" "$@" ;;
  key) loaded; cat "$STATE/key" ;;
  mappings) loaded; on router nft list chain inet filter prerouting_miniupnpd | grep dnat || true ;;
  wan)
    loaded
    set_kernel router ipv4/conf/wan0/promote_secondaries 1
    net router -4 addr flush dev wan0
    address router wan0 "${2:?ADDRESS/LENGTH}"
    net router route replace default via 2.2.2.1 dev wan0 onlink ;;
  dns)
    loaded
    [ "$DNS" = bind ] || die "only bind can be stopped and started"
    case ${2:-} in
      stop) crash named TERM ;;
      start) bind_start "$(cat "$STATE/dns-dir")" ;;
      *) die "stop or start?" ;;
    esac ;;
  goodbye) loaded; crash router TERM ;;
  reboot) loaded; crash router; flush; on router conntrack -F >/dev/null 2>&1; igd_start router ;;
  *) sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
esac
