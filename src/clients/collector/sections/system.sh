s_time() {
    part now
    date +%s
    if command -v chronyc >/dev/null 2>&1; then
        part chrony
        limit 3 chronyc -n -c tracking 2>/dev/null
    fi
    if command -v timedatectl >/dev/null 2>&1; then
        part timedatectl
        limit 3 timedatectl show 2>/dev/null
        limit 3 timedatectl show-timesync 2>/dev/null
    fi
    if command -v adjtimex >/dev/null 2>&1; then
        part adjtimex
        limit 3 adjtimex 2>/dev/null || limit 3 adjtimex -p 2>/dev/null
    fi
    return 0
}

# Packages that wait, by lists that are there already: nothing is downloaded and nothing is locked.
s_updates() {
    known=
    if [ -x /usr/lib/update-notifier/apt-check ]; then
        known=1
        part notifier
        limit 20 /usr/lib/update-notifier/apt-check 2>&1
    elif command -v apt-get >/dev/null 2>&1; then
        known=1
        part apt
        limit 20 apt-get -s -q -o Debug::NoLocking=true dist-upgrade 2>/dev/null | grep '^Inst ' | head -n 2000
    fi
    if command -v apk >/dev/null 2>&1; then
        known=1
        part apk
        limit 20 apk version -l '<' 2>/dev/null | head -n 2000
    fi
    if command -v dnf >/dev/null 2>&1; then
        known=1
        part dnf
        limit 20 dnf -q -C check-update 2>/dev/null | head -n 2000
    fi
    if command -v pacman >/dev/null 2>&1; then
        known=1
        part pacman
        limit 20 pacman -Qu 2>/dev/null | head -n 2000
    fi
    if [ -e /var/run/reboot-required ]; then
        part reboot
        head -n 20 /var/run/reboot-required.pkgs 2>/dev/null
        return 0
    fi
    [ -n "$known" ] || none "no package manager that reef knows is installed there"
}

s_sensors() {
    found=
    for input in /sys/class/hwmon/hwmon*/temp*_input; do
        [ -r "$input" ] || continue
        found=1
        base=${input%_input}
        chip=$(cat "${input%/*}/name" 2>/dev/null)
        label=$(cat "${base}_label" 2>/dev/null)
        now=$(cat "$input" 2>/dev/null) || continue
        high=$(cat "${base}_max" 2>/dev/null)
        critical=$(cat "${base}_crit" 2>/dev/null)
        printf '%s\t%s\t%s\t%s\t%s\n' "$chip" "${label:-${base##*/}}" "$now" "$high" "$critical"
    done
    [ -n "$found" ] || none "no temperatures there"
}
