#!/bin/sh
# Plans the DNS of a site for a pull request.
#
#   plan.sh [CONFIG [COMMENT]]
#
# It writes the plan as Markdown to COMMENT (default: comment.md) and as SARIF to mailpub.sarif. MAILPUB_PUBLIC is the
# server's public address, where the config says auto: CI stands outside the LAN and cannot ask the router.
#
# Exit code: 0, also where something is to be changed; 1 when the config is wrong or something could not be read.
set -u
config=${1:-mailpub.yaml}
comment=${2:-comment.md}
set -- --only dns
if [ -n "${MAILPUB_PUBLIC:-}" ]; then
  set -- "$@" --public "$MAILPUB_PUBLIC"
fi

mailpub fmt --check "$config" || echo "$config: run mailpub fmt" >&2
mailpub -c "$config" plan "$@" --format markdown >"$comment"
code=$?
mailpub -c "$config" plan "$@" --format sarif >mailpub.sarif 2>/dev/null
exit $code
