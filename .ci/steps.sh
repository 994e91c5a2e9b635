# What CI does, step by step. Sourced by .ci/run; pool.sh runs each step in a subshell with errexit on.

# What pip cannot bring, from the distribution. A step that misses something says so itself.
step_system() {
    local program missing=()
    for program in gcc make clang valgrind dot; do
        if ! command -v "$program" >/dev/null; then
            # Debian's package of each has the program's name, but for these two.
            case $program in
                gcc) missing+=(build-essential) ;;
                dot) missing+=(graphviz) ;;
                *) missing+=("$program") ;;
            esac
        fi
    done
    install_packages "${missing[@]}"
    # Only now is it known which clang there is.
    if command -v clang >/dev/null && ! clang_links_fuzz_targets; then
        install_packages "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
    fi
    python3 -c 'import sys; assert sys.version_info >= (3, 10), "python3 is older than 3.10"'
}

install_packages() {
    if (( $# == 0 )); then
        echo "nothing to install"
    elif [[ $(id -u) != 0 ]]; then
        echo "not root, so not installing: $*"
    elif ! command -v apt-get >/dev/null; then
        echo "no apt-get, so not installing: $*"
    else
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" ||
            echo "apt-get could not install: $*"
    fi
}

# libFuzzer and the sanitizers are a package of their own, which Debian's clang only recommends.
clang_links_fuzz_targets() {
    echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -fsanitize=fuzzer,address,undefined -x c - -o "$work/empty-target" 2>/dev/null
}

# One environment with everything but the package itself.
step_tools() {
    python3 -m venv "$work/tools"
    "$tools/pip" install -qq "tomli; python_version < '3.11'"
    "$tools/python" "$ci/requirements.py" "$root/pyproject.toml" dev bench >"$work/requirements.txt"
    "$tools/pip" install -qq -r "$work/requirements.txt"
}

# Every linter runs, also after one has failed.
step_lint() {
    local failed=0
    copy_tree lint
    cd "$work/lint"
    shopt -s nullglob
    "$tools/ruff" check . || failed=1
    "$tools/ruff" format --check . || failed=1
    "$tools/clang-format" --dry-run -Werror --ferror-limit=5 csrc/*.{c,h,inc} tests/c/*.{c,h} \
        tests/fuzz/*.c || failed=1
    # It starts pycodestyle by name.
    PATH=$tools:$PATH "$tools/cython-lint" micrograd_fast/*.{pyx,pxd} || failed=1
    "$tools/codespell" || failed=1
    local file
    for file in .ci/run .ci/*.sh; do
        bash -n "$file" || failed=1
    done
    return "$failed"
}

step_c_tests() {
    copy_tree c-tests
    cd "$work/c-tests"
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
    make -s -C tests/c check SANITIZE=address,undefined
    # What a sanitizer looks at is not optimized as what is shipped.
    make -s -C tests/c check OPTIMIZE=-O3
}

# A minute in CI; elsewhere long enough to see that it works.
step_fuzz() {
    command -v clang >/dev/null || skip "clang is not installed"
    clang_links_fuzz_targets || skip "clang's runtime is not installed (Debian: libclang-rt-*-dev)"
    local seconds=5
    if [[ ${CI:-} == true ]]; then
        seconds=60
    fi
    copy_tree fuzz
    cd "$work/fuzz"
    export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
    make -s -C tests/fuzz run SECONDS="$seconds"
    report "$(grep -oE 'Done [0-9]+ runs' "$results.log")"
}

step_gcc() {
    build_strictly gcc gcc
    check_rebuilds
}

step_clang() {
    command -v clang >/dev/null || skip "clang is not installed"
    build_strictly clang clang
}

# The stubs against the sources that use them, then against the compiled module.
step_types() {
    [[ -e $work/gcc/build.log ]] || build_strictly gcc gcc
    cd "$work/gcc"
    "$tools/python" .ci/update_stub.py --check
    "$tools/mypy"
    "$tools/mypy" tests/test_types.py
    "$tools/python" -m mypy.stubtest micrograd_fast --mypy-config-file pyproject.toml \
        --allowlist .ci/stubtest_allowlist.txt --ignore-disjoint-bases
}

# A clean environment, the sdist, and nothing else.
step_sdist() {
    copy_tree sdist
    cd "$work/sdist"
    "$tools/python" -m build --sdist --outdir "$work/dist" >build.log 2>&1 ||
        { cat build.log; return 1; }
    python3 -m venv "$work/sdist-venv"
    "$work/sdist-venv/bin/pip" install -qq "$work"/dist/*.tar.gz
    cd "$work"
    "$work/sdist-venv/bin/python" "$ci/check_installed.py"
    report "$(basename "$work"/dist/*.tar.gz)"
}

# The closing line of pytest in this step's log.
report_pytest() {
    report "$(grep -E '^=+ .* in [0-9.]+s.*=+$' "$results.log" | tail -n 1 | sed 's/^=* //; s/ =*$//')"
}

step_readme_test() {
    copy_tree readme
    cd "$work/readme"
    PYTEST_ADDOPTS=--durations=5 run_readme_command test
    report_pytest
}

# What the README's run, which leaves nothing out, has seen once for all. The benchmarks are for one
# Python and know nothing of coverage. A thousand of the ten thousand random programs, and twenty as C,
# are enough to see that another interpreter, compiler or numpy does the same.
without_bench=--ignore=tests/test_bench.py
fewer_programs=(MICROGRAD_FAST_TEST_BATCHES=2 MICROGRAD_FAST_PROGRAMS=20)

# The same command, where `python3` is another version.
step_python() {
    local version=$1 shims=$work/python$1-shims options="$without_bench --durations=5" name
    mkdir "$shims"
    # A script, not a link: a link would hide from that Python where its library is.
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$(find_python "$version")" >"$shims/python3"
    chmod +x "$shims/python3"
    copy_tree "python$version"
    cd "$work/python$version"
    case $version in
        3.10) # The oldest numpy that pyproject.toml admits.
            grep -oE 'numpy>=[0-9.]+' pyproject.toml | sed 's/>=/==/' >"$shims/constraints"
            export PIP_CONSTRAINT=$shims/constraints
            # Ruff sees to it that the syntax of demo and examples is 3.10's; they run on 3.13, too.
            options+=" --ignore=tests/test_demo.py --ignore=tests/test_examples.py"
            ;;
        3.12) # The suite with the core's assertions on. What programs and tools in Python ask of it is
            # seen on other versions.
            export MICROGRAD_FAST_DEBUG=1
            for name in demo demo_parts examples run seed_notebook plot packaging; do
                options+=" --ignore=tests/test_$name.py"
            done
            ;;
        3.13) # The suite on what the other compiler makes of the sources.
            if command -v clang >/dev/null; then
                export CC=clang
            fi
            ;;
    esac
    export PYTEST_ADDOPTS=$options PATH=$shims:$PATH "${fewer_programs[@]}"
    run_readme_command test
    report_pytest
    rm -rf .venv
}

step_coverage() {
    local failed=0
    copy_tree coverage
    cd "$work/coverage"
    MICROGRAD_FAST_COVERAGE=1 build_in_place
    # Tests start new processes in other directories; those must find this build too.
    export PYTHONPATH=$PWD
    # The examples are no part of the package, so nothing that only they run is counted.
    export "${fewer_programs[@]}" PYTEST_ADDOPTS="$without_bench --ignore=tests/test_examples.py"
    timeout --foreground 1200 "$tools/coverage" run -m pytest || failed=1
    report_pytest
    make -s -C tests/c coverage
    "$tools/coverage" combine -q
    "$tools/coverage" report --fail-under=95 || failed=1
    "$tools/gcovr" --root . --filter csrc/ --txt --fail-under-line 95 build tests/c |
        tee gcovr.txt || failed=1
    report "line coverage of micrograd_fast: $("$tools/coverage" report --format=total) %"
    report "of csrc: $(awk '$1 == "TOTAL" {print $4}' gcovr.txt)"
    return "$failed"
}

# The README's demo command as it stands, with options added to keep it short.
step_readme_demo() {
    local out=$work/demo-output kind
    [[ -d $work/readme ]] || copy_tree readme
    cd "$work/readme"
    run_readme_command demo --epochs 2 --out "$out"
    for kind in png svg; do
        if [[ -z $(find "$out" -name "*.$kind" -size +0) ]]; then
            echo "the demo wrote no $kind file"
            return 1
        fi
    done
}

step_bench() {
    [[ -e $work/gcc/build.log ]] || build_strictly gcc gcc
    cd "$work/gcc"
    export PYTHONPATH=$PWD
    "$tools/python" bench/eager.py --smoke
    "$tools/python" bench/nets.py --smoke
    "$tools/python" bench/replay.py --smoke
    "$tools/python" bench/profile.py --smoke
    command -v valgrind >/dev/null || skip "valgrind is not installed, so no instructions counted"
    "$tools/python" bench/instructions.py --smoke
}
