# Entries of priority err and worse after a cursor; with `-` only the newest entry's cursor.
s_journal() {
    command -v journalctl >/dev/null 2>&1 || { none "journalctl is not installed there; name a log file instead"; return; }
    case $1 in -) ;; *[!a-z0-9=\;]*|'') printf 'no cursor'; return 101 ;; esac
    part newest
    limit 8 journalctl --no-pager -o json --output-fields=MESSAGE -n 1 2>&1 | head -c 65536
    [ "$1" != - ] || return 0
    part entries
    limit 8 journalctl --no-pager -o json --output-fields=MESSAGE,SYSLOG_IDENTIFIER -p err "--cursor=$1" 2>&1 | head -c 1048576
}
