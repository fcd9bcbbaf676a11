#!/bin/bash
# tools-initrd.sh MINI.initrd OUT - the mini guest with this host's iperf3, ethtool, tcpdump, ip and ping beside busybox, and the kernel modules for VLANs.
# Debian amd64 only: the guest is of the host's architecture. The kernel's package is asked of apt for the modules.
set -euo pipefail
MINI=$(realpath "${1:?initrd of the mini guest}") OUT=$(realpath -m "${2:?output}"); W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
mkdir -p r/usr/bin r/lib/modules
for tool in iperf3 ethtool tcpdump ip; do
  path=$(realpath "$(command -v "$tool")"); cp "$path" "r/usr/bin/$tool"
  ldd "$path" | grep -o '/[^ ]*' | while read -r lib; do mkdir -p "r$(dirname "$lib")"; cp -Lu "$lib" "r$lib"; done
done
V=$(zcat "$MINI" | cpio -i --quiet --to-stdout '*/virtio_net.ko' | strings | sed -n 's/^vermagic=\([^ ]*\).*/\1/p')
apt-get download "linux-image-$V" >/dev/null 2>&1; dpkg -x linux-image-*.deb x
for m in llc stp mrp garp 8021q; do cp "$(find x -name "$m.ko")" r/lib/modules/; done
(cd r; find . | cpio -o -H newc --quiet | gzip -1n) >tools.cpio.gz
cat "$MINI" tools.cpio.gz >"$OUT"; ls -l "$OUT"
