# Reads what reef wants to know of a host, in sections. Nothing is ever spliced into this text.
LC_ALL=C
export LC_ALL
section() { printf '\n==reef %s==\n' "$1"; }
section meminfo
cat /proc/meminfo
section arcstats
cat /proc/spl/kstat/zfs/arcstats 2>/dev/null
section loadavg
cat /proc/loadavg
section stat
grep -E '^(cpu|ctxt)' /proc/stat
section uptime
cat /proc/uptime
section mountinfo
cat /proc/self/mountinfo
section blocks
df -P -k -l 2>/dev/null || df -P -k
section inodes
df -P -i -l 2>/dev/null || df -P -i
section end
