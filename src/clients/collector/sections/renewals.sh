# Who renews certificates and what starts it. Of certbot's files only those without a secret: its certificates are read, its keys never.
# Parts `lineage=NAME`, `cert=NAME`, `kept`, `cron`, `daemon`, `systemd`, `timers`, `hidden` and `end`.
s_renewals() {
    hidden=
    number=
    lineages_in /etc/letsencrypt
    # What certbot is called with, where that names another folder.
    named=$(folders)
    set -f
    # Words without a white space, a star or a quote in them.
    for each in $named; do
        [ "$each" = /etc/letsencrypt ] && continue
        number=${number}x
        [ ${#number} -le 8 ] || break
        set +f
        lineages_in "$each"
        set -f
    done
    set +f
    part kept
    kept
    part cron
    crons
    part daemon
    grep -hxE 'cron|crond|fcron|systemd-cron|anacron' /proc/[0-9]*/comm 2>/dev/null | head -n 1
    if [ -d /run/systemd/system ]; then
        part systemd
        echo yes
        part timers
        limit 8 systemctl show --no-pager --property=Id,LoadState,ActiveState,UnitFileState,Result -- \
            certbot.timer certbot.service snap.certbot.renew.timer snap.certbot.renew.service certbot-renew.timer certbot-renew.service \
            acme.sh.timer acme.sh.service lego.timer lego.service dehydrated.timer dehydrated.service 2>/dev/null
    fi
    part hidden
    printf '%s' "$hidden"
    part end
    return 0
}

conceal() { hidden=$hidden$1$nl; }

# The folders behind --config-dir in what starts certbot: cron's lines, units, certbot's own settings.
folders() {
    cat /etc/crontab /etc/cron.d/* /etc/cron.daily/* /etc/cron.weekly/* /etc/crontabs/* /var/spool/cron/* /var/spool/cron/crontabs/* \
        /etc/systemd/system/*certbot* /etc/systemd/system/*certbot*/* /usr/lib/systemd/system/*certbot* /lib/systemd/system/*certbot* \
        /etc/letsencrypt/cli.ini 2>/dev/null | grep -avE '^[[:space:]]*#' | grep -aoE '(--config-dir[ =]|config-dir[[:space:]]*=[[:space:]]*)/[A-Za-z0-9._/-]+' |
        sed 's/^[^/]*//; s,/*$,,' | grep -avE '(^|/)\.\.?(/|$)|//' | sort -u | head -n 8
}

lineages_in() {
    base=$1
    [ -d "$base/renewal" ] || { [ ! -d "$base" ] || [ -x "$base" ] || conceal "$base"; return; }
    [ -r "$base/renewal" ] && [ -x "$base/renewal" ] || { conceal "$base/renewal"; return; }
    for file in "$base"/renewal/*.conf; do
        [ -f "$file" ] || continue
        name=${file##*/} name=${name%.conf}
        case $name in *[!A-Za-z0-9._-]*|-*) continue ;; esac
        [ -r "$file" ] || { conceal "$file"; continue; }
        part "lineage=$name${number:+@$number}"
        printf 'folder = %s\n' "$base"
        printf 'changed = %s\n' "$(stat -c %Y "$file" 2>/dev/null)"
        grep -E '^(server|authenticator|installer|renew_hook|post_hook|autorenew|[A-Za-z0-9*-]+(\.[A-Za-z0-9-]+)+) = ' "$file" | head -n 60
        cert=$base/live/$name/cert.pem
        if [ -r "$cert" ]; then
            part "cert=$name${number:+@$number}"
            head -c 16384 "$cert"
        else
            conceal "$cert"
        fi
    done
}

# `BY NAME PATH`, apart by tabs.
kept() {
    [ -x /root ] || conceal /root
    for home in /root /home/*; do
        keeps acme-sh "$home/.acme.sh" /
        keeps lego "$home/.lego/certificates" .crt
    done
    for home in /opt/acme.sh /etc/acme.sh /usr/local/share/acme.sh; do keeps acme-sh "$home" /; done
    for home in /var/lib/dehydrated/certs /etc/dehydrated/certs; do keeps dehydrated "$home" /; done
    for home in /var/lib/lego/certificates /etc/lego/certificates; do keeps lego "$home" .crt; done
    for home in /root /var/lib/caddy; do
        for each in "$home"/.local/share/caddy/certificates/*; do keeps caddy "$each" /; done
    done
}

# What ends like that in a folder and has a dot in its name, as domains have.
keeps() {
    [ -d "$2" ] || return 0
    [ -r "$2" ] && [ -x "$2" ] || { conceal "$2"; return 0; }
    for each in "$2"/*.*"$3"; do
        [ -e "$each" ] || continue
        each=${each%/}
        name=${each##*/} name=${name%.crt}
        case $name in *[!A-Za-z0-9._*-]*) continue ;; esac
        printf '%s\t%s\t%s\n' "$1" "$name" "$each"
    done
}

# `line FILE LINE` and, after it, `missing FILE PROGRAM`, apart by tabs.
crons() {
    for file in /etc/crontab /etc/cron.d/* /etc/cron.daily/* /etc/cron.weekly/* /etc/crontabs/* /etc/periodic/daily/* \
        /etc/periodic/weekly/* /var/spool/cron/* /var/spool/cron/crontabs/*; do
        [ -f "$file" ] || continue
        [ -r "$file" ] || { conceal "$file"; continue; }
        grep -aE 'certbot|acme\.sh|dehydrated|lego|getssl|renew' "$file" | grep -avE '^[[:space:]]*#|^[A-Z_]+=' | head -n 10 |
            while IFS= read -r line; do
                printf 'line\t%s\t%s\n' "$file" "$line"
                set -f
                called=
                # The words of the line, as they stand.
                # shellcheck disable=SC2086
                for each in $line; do
                    each=${each#[\"\'\(]} each=${each%[\"\'\);]}
                    case $each in
                    certbot|acme.sh|dehydrated|lego|getssl) command -v "$each" >/dev/null 2>&1 || printf 'missing\t%s\t%s\n' "$file" "$each" ;;
                    /*)
                        case $called,${each##*/} in
                        ,*|*,certbot*|*,acme.sh|*,dehydrated|*,lego|*,getssl) ! gone "$each" || printf 'missing\t%s\t%s\n' "$file" "$each" ;;
                        esac
                        called=1 ;;
                    esac
                done
                set +f
            done
    done
}

# Not there, as far as can be seen: what lies behind a folder that may not be entered is not known to be gone.
gone() {
    [ ! -e "$1" ] || return 1
    above=${1%/*}
    while [ -n "$above" ] && [ ! -e "$above" ]; do above=${above%/*}; done
    [ -x "${above:-/}" ]
}
