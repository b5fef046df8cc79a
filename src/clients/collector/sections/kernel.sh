s_meminfo() { cat /proc/meminfo; }

s_arcstats() { cat /proc/spl/kstat/zfs/arcstats 2>/dev/null || none "no ZFS"; }

s_cpu() {
    part loadavg
    cat /proc/loadavg
    part stat
    grep -E '^(cpu|ctxt)' /proc/stat
}

s_uptime() { cat /proc/uptime; }

s_pressure() {
    for kind in cpu memory io; do
        part "$kind"
        cat "/proc/pressure/$kind" 2>/dev/null ||
            { part why; none "this kernel tells no pressure; psi=1 on its command line turns it on"; return 100; }
    done
}

# The cgroups are walked only where the host's own count is another than the one that is known.
s_oom() {
    case $1 in -) ;; *) number "$1" || return ;; esac
    now=$(sed -n 's/^oom_kill //p' /proc/vmstat)
    [ -n "$now" ] || { none "this kernel does not count OOM kills (Linux before 4.13)"; return 100; }
    printf 'oom_kill %s\n' "$now"
    [ "$now" != "$1" ] || return 0
    part cgroups
    tree=/sys/fs/cgroup file=memory.events
    [ ! -e /sys/fs/cgroup/memory/memory.oom_control ] || { tree=/sys/fs/cgroup/memory file=memory.oom_control; }
    limit 5 find "$tree" -name "$file" -exec grep -H '^oom_kill [1-9]' {} + 2>/dev/null | head -n 1000
}

s_interfaces() { cat /proc/net/dev; }

s_boot() {
    cat /proc/sys/kernel/random/boot_id
    grep '^btime' /proc/stat
}
