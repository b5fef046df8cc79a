of_units="--property=Id,ActiveState,SubState,LoadState,Result,UnitFileState,NRestarts,MainPID,ExecMainStatus,InactiveEnterTimestampMonotonic"

systemd() {
    [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1 && return
    none "this host does not run systemd; watch its services with process or http probes"
}

show() { limit 8 systemctl show --no-pager "$of_units" -- "$@" 2>&1; }

# Units by their names, in their order. One between stop and start is looked at once more.
s_units() {
    systemd || return
    part uptime
    cat /proc/uptime
    part units
    set -f
    # Names of units have no white space.
    # shellcheck disable=SC2086
    set -- $1
    set +f
    shown=$(show "$@")
    code=$?
    case $shown in
    *ActiveState=activating*|*ActiveState=deactivating*) sleep 3; shown=$(show "$@"); code=$? ;;
    esac
    printf '%s\n' "$shown"
    return "$code"
}

s_failed() {
    systemd || return
    part uptime
    cat /proc/uptime
    listed=$(limit 8 systemctl list-units --failed --all --plain --full --no-legend --no-pager 2>&1) || {
        code=$?
        part units
        printf '%s' "$listed"
        return "$code"
    }
    set -f
    set --
    for each in $(printf '%s\n' "$listed" | head -n 100 | while read -r a b _; do
        case $a in *.*) echo "$a" ;; *) echo "$b" ;; esac
    done); do
        set -- "$@" "$each"
    done
    set +f
    part units
    [ $# -eq 0 ] || show "$@"
}
