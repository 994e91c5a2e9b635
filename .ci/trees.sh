# Copies of the checkout, interpreters, and builds in them. Sourced by .ci/run.

tools=$work/tools/bin

# Makes $work/NAME, a copy of the checkout without anything that a build or a run left in it.
copy_tree() {
    local tree=$work/$1 path
    rm -rf "$tree"
    mkdir "$tree"
    if [[ -e $root/.git ]] && command -v git >/dev/null; then
        git -C "$root" ls-files -z --cached --others --exclude-standard |
            while IFS= read -r -d '' path; do
                # A file deleted but not yet committed is still listed.
                if [[ -e $root/$path ]]; then
                    printf '%s\0' "$path"
                fi
            done |
            tar -C "$root" --null --files-from=- -cf - | tar -C "$tree" -xf -
    else
        tar -C "$root" --exclude-vcs --exclude='.venv' --exclude='./build' --exclude='./dist' \
            --exclude='*.egg-info' --exclude='*.so' --exclude='*.o' --exclude='__pycache__' \
            --exclude='./micrograd_fast/_core.c' --exclude='./tests/c/build' \
            --exclude='./tests/fuzz/build' -cf - . |
            tar -C "$tree" -xf -
    fi
}

# One of the README's two set-up commands: "demo" or "test".
readme_command() {
    "$tools/python" "$ci/readme_commands.py" "$root/README.md" "$1"
}

# Runs that command in the current copy, with arguments appended.
run_readme_command() {
    local name=$1
    shift
    timeout --foreground 1200 bash -euo pipefail -c "$(readme_command "$name") $*"
}

# Builds the extension inside the current copy with the tools' Python; variables come from the caller.
build_in_place() {
    "$tools/python" setup.py build_ext --inplace --build-temp build/objects
}

# Makes $work/NAME with an extension built by compiler CC, its warnings as errors.
build_strictly() {
    local name=$1 compiler=$2 flag
    copy_tree "$name"
    cd "$work/$name"
    if ! CC=$compiler MICROGRAD_FAST_WERROR=1 build_in_place >build.log 2>&1; then
        cat build.log
        return 1
    fi
    # The switch must still mean what is said here: not one file of the core without these.
    grep -- "^$compiler .* -c csrc/" build.log >compilations.log
    for flag in -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror; do
        if grep -v -- " $flag\b" compilations.log; then
            echo "compiled without $flag"
            return 1
        fi
    done
    "$tools/python" -c 'import micrograd_fast; print(micrograd_fast.Value(2.0) * 3.0)'
}

# After build_strictly: nothing is compiled without an edit, and an edit of a file of any kind compiles.
# (That no file of a kind is left out is for tests/test_packaging.py.)
check_rebuilds() {
    local kind file
    build_in_place >rebuild.log 2>&1
    if grep -q -- "-c csrc/" rebuild.log; then
        echo "the build compiles again though nothing was edited"
        return 1
    fi
    for kind in def h inc; do
        file=$(find csrc -name "*.$kind" | sort | head -n 1)
        [[ -n $file ]] || continue
        touch "$file"
        # What is asked is whether it compiles, so nothing needs to come of it.
        CC=true build_in_place >rebuild.log 2>&1 || true
        if ! grep -q -- "-c csrc/" rebuild.log; then
            echo "an edit of $file compiles nothing"
            return 1
        fi
        touch -d 2000-01-01 "$file"
    done
}

# True where PYTHON runs, is version X.Y, and can make an environment and compile an extension.
usable_python() {
    "$1" - "$2" >/dev/null 2>&1 <<'PYTHON'
import ensurepip, os, sys, sysconfig, venv
right = sys.argv[1] == "%d.%d" % sys.version_info[:2] and sys.implementation.name == "cpython"
headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
sys.exit(not (right and headers))
PYTHON
}

find_python() {
    local version=$1 candidate
    for candidate in $(type -aP "python$version" || true) \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version"; do
        if [[ -x $candidate ]] && usable_python "$candidate" "$version"; then
            echo "$candidate"
            return
        fi
    done
}

# The versions to test besides that of python3, which the README's commands use. Those at both ends
# come first: their runs take longest.
other_pythons() {
    local version default
    default=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for version in 3.10 3.13 3.11 3.12; do
        if [[ $version != "$default" && -n $(find_python "$version") ]]; then
            echo "$version"
        fi
    done
}
