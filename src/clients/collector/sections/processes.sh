# Every process: four programs for all of them, because a program for each would be felt.
s_processes() {
    part stat
    cat /proc/[0-9]*/stat 2>/dev/null
    part about
    grep -sE '^(Uid|VmRSS):' /proc/[0-9]*/status
    part cgroup
    grep -sE '^0::|:name=systemd:' /proc/[0-9]*/cgroup
    part programs
    head -c 200 /proc/[0-9]*/cmdline 2>/dev/null
    return 0
}

s_people() { cut -d: -f1,3 /etc/passwd; }
