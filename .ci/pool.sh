# Runs steps two at a time and keeps their logs, times and results. Sourced by .ci/run.
# A step NAME is the function step_NAME; it runs in a subshell of its own with errexit on.

workers=2
ran=()
declare -A pids

contains() {
    local word=$1 other
    shift
    for other in "$@"; do
        [[ $word == "$other" ]] && return 0
    done
    return 1
}

only_wanted() {
    local name
    for name in "$@"; do
        if contains "$name" "${wanted[@]}"; then
            echo "$name"
        fi
    done
}

# A line for the closing summary, from within a step.
report() {
    echo "$*" >>"$results.report"
}

# Ends a step without running it: a failure in CI, where nothing may go missing unnoticed.
skip() {
    echo "skipped: $*"
    report "skipped: $*"
    if [[ ${CI:-} == true ]]; then
        exit 1
    fi
    exit 0
}

# A status is there as a whole or not at all.
write_status() {
    echo "$1 $2" >"$results.status.new"
    mv "$results.status.new" "$results.status"
}

start() {
    local name=$1
    # Job control makes each step the leader of a process group. At its end it takes with it whatever is
    # left of the group; `timeout --foreground` keeps what it runs inside.
    set -m
    (
        results=$work/results/$name
        begin=$SECONDS
        # The shell itself is not a condition here, so errexit holds inside the step.
        trap 'write_status $? $((SECONDS - begin)); trap "" TERM; kill -- "-$BASHPID"' EXIT
        set -euo pipefail
        case $name in
            python3.*) step_python "${name#python}" ;;
            *) "step_${name//-/_}" ;;
        esac
    ) >"$work/results/$name.log" 2>&1 </dev/null &
    pids[$name]=$!
    set +m
}

# Ends the steps that are still under way, with all that they started.
stop_all() {
    local pid
    for pid in $(jobs -p); do
        kill -- "-$pid" 2>/dev/null || true
    done
    wait
}

# True once a step is over, killed ones included.
finished() {
    local name=$1
    if [[ ! -e $work/results/$name.status ]] && ! kill -0 "${pids[$name]}" 2>/dev/null; then
        # Its own trap may have run between the two questions.
        [[ -e $work/results/$name.status ]] || echo "137 0" >"$work/results/$name.status"
    fi
    [[ -e $work/results/$name.status ]]
}

# Runs the named steps, `workers` at a time, and prints each one's log as it ends.
run_phase() {
    local name pending=("$@")
    local running=()
    while (( ${#pending[@]} + ${#running[@]} > 0 )); do
        while (( ${#pending[@]} > 0 && ${#running[@]} < workers )); do
            start "${pending[0]}"
            ran+=("${pending[0]}")
            running+=("${pending[0]}")
            pending=("${pending[@]:1}")
        done
        wait -n || true
        local still=()
        for name in "${running[@]}"; do
            if finished "$name"; then
                show "$name"
            else
                still+=("$name")
            fi
        done
        running=("${still[@]}")
    done
}

show() {
    local name=$1 status seconds
    read -r status seconds <"$work/results/$name.status"
    if (( status == 0 )); then
        echo "== $name: passed in $seconds s"
        tail -n 20 "$work/results/$name.log" | sed 's/^/   /'
    else
        echo "== $name: FAILED (exit status $status) after $seconds s; its whole log:"
        sed 's/^/   /' "$work/results/$name.log"
    fi
    # Later steps build on these two.
    if (( status != 0 )) && contains "$name" system tools; then
        echo "CI failed: nothing else can run without '$name'."
        exit 1
    fi
}

# The table of all steps, then pytest's own closing line as the last word.
summarize() {
    local name status seconds failed=()
    echo
    echo "== summary ($SECONDS s in all)"
    for name in "${ran[@]}"; do
        read -r status seconds <"$work/results/$name.status"
        printf '%-12s %-6s %4d s' "$name" "$( ((status == 0)) && echo ok || echo FAILED)" "$seconds"
        if [[ -e $work/results/$name.report ]]; then
            printf '  %s' "$(paste -sd ';' "$work/results/$name.report" | sed 's/;/; /g')"
        fi
        echo
        if (( status != 0 )); then
            failed+=("$name")
        fi
    done
    if [[ -e $work/results/readme-test.log ]]; then
        grep -E '^=+ .* in [0-9.]+s.*=+$' "$work/results/readme-test.log" | tail -n 1 || true
    fi
    if (( ${#failed[@]} > 0 )); then
        echo "CI failed: ${failed[*]}"
        exit 1
    fi
}
