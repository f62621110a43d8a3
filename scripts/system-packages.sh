# Sourced by the scripts beside it. Collects the system packages that are missing, and installs them where it may.

missing_packages=()

# need <package>: notes a Debian package as missing.
need() { missing_packages+=("$1"); }

# install_missing <log> <why>: installs what `need` collected; where it may not, prints the exact command and fails.
install_missing() {
  local log=$1 why=$2 packages="${missing_packages[*]}" as_root=()
  [ ${#missing_packages[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    {
      echo "zeroth: $why needs what these Debian packages hold, and this system has no apt-get: $packages"
      echo "Install their counterparts (oneDNN with its headers is called onednn-devel, oneapi-dnnl or onednn elsewhere), then run this again."
    } >&2
    return 1
  fi
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then
      as_root=(sudo -n)
    else
      echo "zeroth: $why needs system packages that only an administrator may install. Type this, then run the same command again:" >&2
      echo "  sudo apt-get update && sudo apt-get install -y $packages" >&2
      return 1
    fi
  fi
  echo "zeroth set-up: installing system packages with apt-get: $packages"
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q
    --no-install-recommends "${missing_packages[@]}")
  "${install[@]}" >>"$log" 2>&1 </dev/null ||
    { "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=120 update -q >>"$log" 2>&1 </dev/null &&
      "${install[@]}" >>"$log" 2>&1 </dev/null; } || {
    tail -n 15 "$log" >&2
    echo "zeroth: apt-get could not install $packages (whole log: $log). To try by hand:" >&2
    echo "  ${as_root[0]:+sudo }apt-get update && ${as_root[0]:+sudo }apt-get install -y $packages" >&2
    return 1
  }
  missing_packages=()
}
