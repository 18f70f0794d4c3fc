#!/bin/sh
# Reports drift of a site's DNS, for a schedule.
#
#   drift.sh [CONFIG]
#
# It writes what differs as JUnit XML to drift.xml, and the checks to checks.xml. MAILPUB_PUBLIC as in plan.sh.
#
# Exit code: 0 when all is well, 2 when something differs or a check fails, 1 when it could not be found out.
set -u
config=${1:-mailpub.yaml}
set -- --only dns
if [ -n "${MAILPUB_PUBLIC:-}" ]; then
  set -- "$@" --public "$MAILPUB_PUBLIC"
fi

mailpub -c "$config" plan "$@" --detailed-exitcode --format junit >drift.xml
planned=$?
mailpub -c "$config" verify --only dns --junit checks.xml
verified=$?
if [ $planned -eq 1 ] || [ $verified -eq 1 ]; then
  exit 1
fi
if [ $planned -eq 2 ] || [ $verified -eq 2 ]; then
  exit 2
fi
