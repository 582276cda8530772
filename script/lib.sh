# Functions that the scripts share. Source it from a script in this folder: it changes to the top of the clone.
# Each need_… function makes sure that something is installed: it installs it if it can, or exits with a sentence that
# says how to.

called_from=$(pwd)
cd -- "$(dirname -- "$0")/.."
root=$(pwd -P)
target=${CARGO_TARGET_DIR:-$root/target}

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# packages_for PURPOSE: names of packages, from packages.txt.
packages_for() {
    while read -r name purpose _; do
        if [ "$purpose" = "$1" ]; then printf '%s\n' "$name"; fi
    done <"$root/script/packages.txt"
}

# at_least WANTED HAVE: compares versions like 1.94 by their first two numbers.
at_least() {
    case $2 in [0-9]*.[0-9]*) ;; *) return 1 ;; esac
    wanted_rest=${1#*.} have_rest=${2#*.}
    [ "${2%%.*}" -gt "${1%%.*}" ] ||
        { [ "${2%%.*}" -eq "${1%%.*}" ] && [ "${have_rest%%.*}" -ge "${wanted_rest%%.*}" ]; }
}

can_be_root() { [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# logged COMMAND...: hides the command's output; shows the end of it when the command fails.
logged() {
    log=$(mktemp)
    if "$@" >"$log" 2>&1 </dev/null; then rm -f "$log"; return; fi
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
}

# install PACKAGE...: from the distribution, as root.
install() {
    has apt-get && can_be_root || return 1
    say "Installing $* with apt-get ..."
    logged as_root apt-get update &&
        logged as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

# ---- Rust ----------------------------------------------------------------------------------------------------------

rust_is_new_enough() {
    at_least "$rust_version" "$(cargo --version 2>/dev/null | cut -d ' ' -f 2)" &&
        at_least "$rust_version" "$(rustc --version 2>/dev/null | cut -d ' ' -f 2)"
}

need_rust() {
    rust_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if rust_is_new_enough; then return; fi
    given_path=$PATH
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    if rust_is_new_enough; then return; fi
    PATH=$given_path
    install rustc-web cargo-web || true
    hash -r
    # An older version earlier on PATH must not hide the one that apt installed.
    if ! rust_is_new_enough; then PATH=/usr/bin:$PATH; fi
    if rust_is_new_enough; then return; fi
    die "Rust $rust_version or later is needed. Install it: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"
}

has_compilers() { has cc && has c++ && has make && [ -e /usr/include/stdio.h ]; }

need_compiler() {
    tools=$root/target/tools
    PATH=$PATH:$tools/usr/bin
    if has_compilers && has nasm && runs_cmake; then return; fi
    # shellcheck disable=SC2046 # a list of words
    if install $(packages_for build); then return; fi
    # nasm and cmake can be unpacked without root; the compilers cannot.
    if has_compilers; then
        unpack "$tools" 'nasm|cmake*|lib*' nasm cmake || true
        libraries=$(printf '%s:' "$tools"/usr/lib/*-linux-*)
        if ! runs_cmake; then export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:-}"; fi
        if has nasm && runs_cmake; then return; fi
    fi
    die "Compilers of C and C++, make, cmake and nasm are needed. As root: apt-get install $(packages_for build | tr '\n' ' ')"
}

runs_cmake() { cmake --version >/dev/null 2>&1; }

# ---- Postgres ------------------------------------------------------------------------------------------------------

# The oldest major version that will do; crates/embedded-postgres/src/programs.rs has the same.
oldest_postgres=15

postgres_in() { # FOLDER: whether the Postgres programs in it run and are new enough
    tree=${1%/usr/lib/postgresql/*}
    version=$(LD_LIBRARY_PATH=$(printf '%s:' "$tree"/usr/lib/*-linux-*) "$1/postgres" --version 2>/dev/null) || return 1
    version=${version#*"(PostgreSQL) "}
    [ -x "$1/initdb" ] && [ -x "$1/pg_dump" ] && at_least "$oldest_postgres.0" "${version%%[!0-9]*}.0"
}

have_postgres() {
    if [ -n "${PG_BIN:-}" ]; then
        postgres_in "$PG_BIN" || die "PG_BIN=$PG_BIN does not contain a working PostgreSQL $oldest_postgres or later."
        return
    fi
    for bin in "$root"/target/postgres/usr/lib/postgresql/*/bin /usr/lib/postgresql/*/bin; do
        # Unpacked by an ordinary user, they may be where the user that runs root's server cannot read them.
        case $(id -u),$bin in 0,"$root"/*) continue ;; esac
        if [ -x "$bin/postgres" ] && postgres_in "$bin"; then return; fi
    done
    has postgres && postgres_in "$(dirname -- "$(readlink -f -- "$(command -v postgres)")")"
}

need_postgres() {
    if [ -n "${DATABASE_URL:-}" ]; then return; fi
    if have_postgres; then return; fi
    if [ "$(id -u)" = 0 ]; then
        install_postgres || true
    elif has apt-get && has dpkg; then
        say "Fetching PostgreSQL's programs into target/postgres ..."
        # Server and client: the just-in-time compiler is off, so its large library is not needed.
        # shellcheck disable=SC2046
        unpack "$root/target/postgres" 'postgresql-[0-9]*|postgresql-client-[0-9]*|lib*' $(packages_for database) || true
    fi
    if have_postgres; then return; fi
    die "PostgreSQL $oldest_postgres or later is needed. Install it (as root: apt-get install postgresql), or set PG_BIN to the folder of its programs, or set DATABASE_URL to a running server."
}

# Installs the programs without the database cluster that the package would create and start.
install_postgres() {
    settings=/etc/postgresql-common/createcluster.d
    mkdir -p "$settings"
    printf 'create_main_cluster = false\n' >"$settings/offprint.conf"
    # shellcheck disable=SC2046
    install $(packages_for database) && status=0 || status=1
    rm -f "$settings/offprint.conf"
    rmdir "$settings" 2>/dev/null || true
    return "$status"
}

# unpack FOLDER PATTERN PACKAGE...: downloads packages and those of their dependencies that are not installed and whose
# names match the pattern, and unpacks them. Needs no root: apt uses folders of its own.
unpack() {
    folder=$1 pattern=$2
    shift 2
    work=$(mktemp -d)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/tree"
    if logged own_apt update && fetch_debs "$@"; then
        for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/tree"; done
        mkdir -p "$(dirname -- "$folder")"
        rm -rf "$folder"
        cp -R "$work/tree" "$folder"
        status=0
    else
        status=1
    fi
    rm -rf "$work"
    return "$status"
}

own_apt() {
    apt-get -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 "$@"
}

fetch_debs() {
    # A simulated installation lists what is missing, line by line: Inst NAME (VERSION ...
    wanted=$(own_apt --simulate install --no-install-recommends "$@" | sed -n 's/^Inst \([^ :]*\).*/\1/p') || return 1
    chosen=
    for name in $wanted; do
        case $name in
            libllvm* | lib*-perl) ;;
            *) if fits "$name"; then chosen="$chosen $name"; fi ;;
        esac
    done
    # shellcheck disable=SC2086
    [ -n "$chosen" ] && (cd "$work/debs" && logged own_apt download $chosen)
}

fits() {
    old_ifs=$IFS
    IFS='|'
    for part in $pattern; do
        # shellcheck disable=SC2254 # it is meant as a pattern
        case $1 in $part) IFS=$old_ifs; return 0 ;; esac
    done
    IFS=$old_ifs
    return 1
}
