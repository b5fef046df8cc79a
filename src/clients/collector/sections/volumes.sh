# Only what lies on a local disk is asked for its room: a server that is gone would keep `df` waiting.
s_volumes() {
    part mountinfo
    cat /proc/self/mountinfo
    set --
    while read -r _ at kind _; do
        case $kind in
        ext[234]|xfs|btrfs|zfs|f2fs|vfat|exfat|ntfs|ntfs3|jfs|reiserfs|hfsplus|bcachefs|nilfs2|tmpfs|overlay) ;;
        *) continue ;;
        esac
        # A blank is `\040` there.
        case $at in *\\*) at=$(printf '%b' "$(printf '%s' "$at" | sed 's/\\/\\0/g')") ;; esac
        case $at in /proc/*|/sys/*|/dev/*|/run/user/*|/var/lib/docker/*|/var/lib/kubelet/*) continue ;; esac
        set -- "$@" "$at"
    done </proc/self/mounts
    [ $# -gt 0 ] || return 0
    part blocks
    limit 5 df -P -k "$@" 2>/dev/null
    part inodes
    limit 5 df -P -i "$@" 2>/dev/null
    return 0
}

# Volumes of servers, each asked by a child of its own that is left behind where it hangs. The argument
# names what was left behind before, `PID PATH` each, parted by `//`: as long as it lives, no second one.
s_served() {
    before=//$1//
    waiting=
    while read -r source at kind _; do
        case $kind in
        nfs|nfs4|cifs|smb3|smbfs|ceph|glusterfs|fuse.sshfs|fuse.rclone|davfs|fuse.davfs|9p) ;;
        *) continue ;;
        esac
        case $at in *\\*) at=$(printf '%b' "$(printf '%s' "$at" | sed 's/\\/\\0/g')") ;; esac
        pid=
        case $before in *" $at//"*) pid=${before%%" $at//"*} pid=${pid##*//} ;; esac
        case $pid in *[!0-9]*) pid= ;; esac
        if [ -n "$pid" ] && grep -qsF "$at" "/proc/$pid/cmdline"; then
            printf 'hangs %s %s\n' "$pid" "$at"
            continue
        fi
        ask "$at" &
        waiting="$waiting $!"
    done </proc/self/mounts
    for each in $waiting; do wait "$each"; done
}

# Asks one mount, and after three seconds no longer waits.
ask() {
    ls -d "$1/." >/dev/null 2>&1 &
    asked=$!
    passed=0
    while [ "$passed" -lt 3 ]; do
        if ! kill -0 "$asked" 2>/dev/null; then
            wait "$asked" && printf 'answers %s\n' "$1" && return
            printf 'refuses %s\n' "$1"
            return
        fi
        # Most answer at once; not every `sleep` knows parts of a second.
        sleep 0.1 2>/dev/null || sleep 1
        kill -0 "$asked" 2>/dev/null || continue
        sleep 1
        passed=$((passed + 1))
    done
    kill -9 "$asked" 2>/dev/null
    printf 'hangs %s %s\n' "$asked" "$1"
}
