# SMART of every disk. One that sleeps is left asleep: neither the list nor `-n standby` wakes it.
s_smart() {
    need smartctl || return
    smartctl --scan 2>/dev/null | head -n 64 | while read -r disk _ kind _; do
        case $disk in /dev/*) ;; *) continue ;; esac
        case $kind in ''|*[!a-z0-9,+_-]*) kind=auto ;; esac
        part "disk=$disk"
        limit 10 smartctl -n standby -j -a -d "$kind" "$disk" 2>&1 | head -c 131072
    done
    return 0
}

s_pools() {
    need zpool || return
    part list
    limit 8 zpool list -Hp -o name,size,allocated,free,health 2>&1 || return
    part status
    limit 8 zpool status -p 2>&1 | head -c 131072
    return 0
}

s_arrays() { cat /proc/mdstat 2>/dev/null || none "this kernel has no software RAID"; }
