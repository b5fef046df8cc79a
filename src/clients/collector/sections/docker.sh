# Docker, or Podman by its own command.
engine() {
    for engine in docker podman; do
        command -v "$engine" >/dev/null 2>&1 && return 0
    done
    none 'there is no Docker there'
}

# refused WORDS: an engine that does not run is none; any other refusal is said as it is.
refused() {
    case $1 in *'annot connect to'*) none "$1"; return ;; esac
    printf '%s' "$1"
    return 1
}

# used PID ID: what the cgroup of a container's first process holds, and how much of that is cache.
used() {
    at=
    while IFS=: read -r _ what path; do
        case $path in *..*|'') continue ;; *"$2"*) ;; *) continue ;; esac
        case ,$what, in
        *,memory,*) at=/sys/fs/cgroup/memory$path/memory.usage_in_bytes; break ;;
        ,,) at=/sys/fs/cgroup$path/memory.current ;;
        esac
    done 2>/dev/null <"/proc/$1/cgroup"
    [ -n "$at" ] && [ -r "$at" ] || return 0
    read -r held <"$at" || return 0
    cache=0
    while read -r key n; do
        case $key in total_inactive_file) cache=$n; break ;; inactive_file) cache=$n ;; esac
    done 2>/dev/null <"${at%/*}/memory.stat"
    echo "$2 $held $cache"
}

# One JSON object for each container, without its environment, which holds secrets.
s_containers() {
    engine || return
    ids=$(limit 8 "$engine" ps -aq --no-trunc 2>&1) || { refused "$ids"; return; }
    part containers
    # shellcheck disable=SC2086 # ids are digits, one argument each
    [ -z "$ids" ] || limit 12 "$engine" inspect --type container --format '{"Id":{{json .Id}},"Name":{{json .Name}},"Created":{{json .Created}},"Image":{{json .Image}},"RestartCount":{{json .RestartCount}},"State":{{json .State}},"HostConfig":{"RestartPolicy":{{json .HostConfig.RestartPolicy}},"Privileged":{{json .HostConfig.Privileged}},"PidMode":{{json .HostConfig.PidMode}},"NetworkMode":{{json .HostConfig.NetworkMode}},"Binds":{{json .HostConfig.Binds}},"Memory":{{json .HostConfig.Memory}}},"Mounts":{{json .Mounts}},"Config":{"Image":{{json .Config.Image}},"Labels":{{json .Config.Labels}}}}' $ids 2>/dev/null
    part memory
    # shellcheck disable=SC2086
    [ -z "$ids" ] || limit 5 "$engine" inspect --type container --format '{{.State.Pid}} {{.Id}} {{.HostConfig.Memory}}' $ids 2>/dev/null |
        while read -r pid id most; do
            case $pid$most in *[!0-9]*) continue ;; esac
            [ "$pid" -gt 0 ] && [ "${most:-0}" -gt 0 ] && used "$pid" "$id"
        done
    part events
    now=$(date +%s)
    limit 5 "$engine" events --since $((now - 3600)) --until "$now" --filter type=container --filter event=kill \
        --filter event=stop --filter event=die --filter event=oom --format '{{json .}}' 2>/dev/null
    part images
    limit 5 "$engine" images --no-trunc --format '{{.ID}} {{.CreatedAt}}' 2>/dev/null
    part end
    return 0
}

# The compose files that containers name, and those in the places of the argument; a part `file PATH` each.
s_stacks() {
    engine || return
    named=$(limit 8 "$engine" ps -a --format '{{.Label "com.docker.compose.project.working_dir"}}|{{.Label "com.docker.compose.project.config_files"}}' 2>&1) || { refused "$named"; return; }
    {
        printf '%s\n' "$named"
        [ -z "$1" ] || for place in $1; do
            case $place in *.yml|*.yaml) [ ! -f "$place" ] || printf '%s|%s\n' "${place%/*}" "$place"; continue ;; esac
            [ ! -d "$place" ] || for file in compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do
                [ ! -f "$place/$file" ] || { printf '%s|%s\n' "$place" "$file"; break; }
            done
        done
    } | sort -u | while IFS='|' read -r folder files; do
        IFS=,
        for file in $files; do
            case $file in /*) ;; *) file=$folder/$file ;; esac
            case $file in *.yml|*.yaml) ;; *) continue ;; esac
            [ -f "$file" ] && [ -r "$file" ] || continue
            part "file $file"
            limit 3 head -c 524288 "$file"
        done
    done
    part end
    return 0
}

# Parts `nodes`, `services` and `replicas`; none where the host is no manager of a swarm.
s_swarm() {
    engine || return
    [ "$engine" = docker ] || { none 'Podman has no swarm'; return; }
    ids=$(limit 5 docker node ls -q 2>&1) || case $ids in
    *'not a swarm manager'*) none 'it manages no swarm'; return ;;
    *) refused "$ids"; return ;;
    esac
    part nodes
    # shellcheck disable=SC2086
    limit 5 docker node inspect $ids 2>/dev/null
    part replicas
    limit 5 docker service ls --format '{{.ID}} {{.Replicas}}' 2>/dev/null
    part services
    ids=$(limit 5 docker service ls -q 2>/dev/null)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || limit 5 docker service inspect $ids 2>/dev/null
    part end
    return 0
}
