# Logins: CURSOR INODE SKIP, where CURSOR is the journal's or `-`, and SKIP bytes of the log with this INODE are known.
# Parts `journal`, or `file` and `lines`; `why` where neither may be read; `size` and `wtmp`.
s_logins() {
    cursor=${1%% *} rest=${1#* }
    known=${rest%% *} skip=${rest#* }
    number "$known" && number "$skip" || return
    case $cursor in -) ;; *[!a-z0-9=\;]*|'') printf 'no cursor'; return 101 ;; esac
    why='that host keeps no journal, and no log of logins is there'
    from_journal || from_file || { part why; printf '%s' "$why"; }
    part size
    [ ! -r /var/log/wtmp ] || wc -c </var/log/wtmp
    part wtmp
    [ ! -r /var/log/wtmp ] || tail -c 16000 /var/log/wtmp
    part end
    return 0
}

from_journal() {
    [ -d /run/systemd/journal ] && command -v journalctl >/dev/null 2>&1 || return 1
    # What may not be seen is hinted at on standard error only.
    hint=$(limit 5 journalctl --no-pager -o cat -n 1 2>&1 >/dev/null)
    case $hint in *'not seeing messages'*|*'No journal files'*)
        why='reef may not read the journal there: add its user to the group systemd-journal'
        return 1 ;;
    esac
    part journal
    set -- --no-pager -o json --output-fields=MESSAGE,SYSLOG_IDENTIFIER SYSLOG_FACILITY=4 SYSLOG_FACILITY=10
    case $cursor in
    -) limit 8 journalctl "$@" --since=-24h -n 2000 ;;
    *) limit 8 journalctl "$@" "--cursor=$cursor" ;;
    esac 2>/dev/null | head -c 1048576
}

from_file() {
    for file in /var/log/auth.log /var/log/secure /var/log/messages; do
        [ -f "$file" ] || continue
        if [ ! -r "$file" ]; then
            why="reef may not read $file there: add its user to the file's group, often adm"
            return 1
        fi
        now=$(ls -iL -- "$file" 2>/dev/null | { read -r i _; printf '%s' "$i"; })
        size=$(wc -c <"$file")
        part file
        printf '%s %s\n' "$now" "$((size))"
        part lines
        if [ "$known" = 0 ]; then
            tail -c 262144 "$file"
        else
            if [ "$now" != "$known" ]; then
                [ ! -r "$file.1" ] || tail -c "+$((skip + 1))" "$file.1" | head -c 262144
                skip=0
            fi
            [ "$skip" -le "$size" ] || skip=0
            tail -c "+$((skip + 1))" "$file" | head -c 1048576
        fi | grep -aE 'sshd|dropbear|login\[|authentication failure'
        return 0
    done
    return 1
}

# Ports on which something listens: parts `tcp`, `tcp6`, `udp`, `udp6`, and `who` with the programs.
s_listening() {
    for table in tcp tcp6 udp udp6; do
        part "$table"
        grep -E '^ *[0-9]+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:0000 (0A|07) ' "/proc/net/$table" 2>/dev/null | head -n 2000
    done
    part who
    { limit 5 ss -H -lntup 2>/dev/null || limit 5 netstat -lntup 2>/dev/null; } | head -c 262144
    return 0
}

# What says who may come in and what runs by itself: `root NAME`, `file KIND DIGEST LINES PATH`, `hidden KIND PATH`.
s_guarded() {
    need sha256sum || return
    [ -r /etc/passwd ] || { printf 'cannot read /etc/passwd'; return 1; }
    limit 15 guarded
}

guarded() {
    while IFS=: read -r user _ uid _ _ home shell; do
        [ "$uid" != 0 ] || printf 'root %s\n' "$user"
        case $shell in */nologin|*/false|*/sync|*/halt|*/shutdown) continue ;; esac
        case $home in /*) ;; *) continue ;; esac
        guard keys "${home%/}/.ssh/authorized_keys"
        guard keys "${home%/}/.ssh/authorized_keys2"
    done </etc/passwd
    guard keys /etc/dropbear/authorized_keys
    guard_all keys /etc/ssh/authorized_keys
    guard_all keys /etc/ssh/authorized_keys.d
    guard sudoers /etc/sudoers
    guard sudoers /etc/doas.conf
    guard_all sudoers /etc/sudoers.d
    guard_all sudoers /etc/doas.d
    guard cron /etc/crontab
    guard cron /etc/anacrontab
    for folder in /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/crontabs \
        /etc/periodic/15min /etc/periodic/hourly /etc/periodic/daily /etc/periodic/weekly /etc/periodic/monthly \
        /var/spool/cron /var/spool/cron/crontabs; do
        guard_all cron "$folder"
    done
}

guard_all() {
    [ -d "$2" ] || return 0
    [ -r "$2" ] && [ -x "$2" ] || { printf 'hidden %s %s\n' "$1" "$2"; return 0; }
    for each in "$2"/*; do
        [ ! -f "$each" ] || guard "$1" "$each"
    done
}

# A digest, never what stands in it. What lies behind a folder that may not be entered is not known to be absent.
guard() {
    if [ ! -e "$2" ]; then
        above=${2%/*}
        while [ -n "$above" ] && [ ! -e "$above" ]; do above=${above%/*}; done
        [ -x "${above:-/}" ] || printf 'hidden %s %s\n' "$1" "$2"
        return 0
    fi
    [ -f "$2" ] || return 0
    [ -r "$2" ] || { printf 'hidden %s %s\n' "$1" "$2"; return 0; }
    sum=$(sha256sum <"$2" 2>/dev/null)
    lines=$(grep -c . "$2" 2>/dev/null)
    printf 'file %s %s %s %s\n' "$1" "${sum%% *}" "$((lines))" "$2"
}
