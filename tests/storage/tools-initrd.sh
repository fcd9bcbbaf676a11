#!/bin/bash
# tools-initrd.sh MINI.initrd OUT [TOOL...] - the mini guest with this host's disk tools beside busybox (all of them unless named), and kernel modules for what
# is on disks: `more NAME...` loads them. Debian amd64 only: the guest is of the host's architecture. The kernel's package is asked of apt for the modules.
set -euo pipefail
MINI=$(realpath "${1:?initrd of the mini guest}") OUT=$(realpath -m "${2:?output}"); shift 2; W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
mkdir -p r/usr/bin r/bin r/lib/more r/etc r/tmp r/mnt
for tool in ${@:-fio blkdiscard hdparm smartctl mkfs.ext4 e2fsck dumpe2fs}; do
  path=$(realpath "$(PATH=$PATH:/sbin:/usr/sbin command -v "$tool")"); cp "$path" "r/usr/bin/$tool"
  ldd "$path" | grep -o '/[^ ]*' | while read -r lib; do mkdir -p "r$(dirname "$lib")"; cp -Lu "$lib" "r$lib"; done
done
V=$(zcat "$MINI" | cpio -i --quiet --to-stdout '*/virtio_net.ko' | strings | sed -n 's/^vermagic=\([^ ]*\).*/\1/p')
apt-get download "linux-image-$V" >/dev/null 2>&1; dpkg -x linux-image-*.deb x
for m in crc16 mbcache jbd2 crc32c_generic libcrc32c ext4 cdrom isofs floppy fat vfat nls_cp437 nls_ascii nls_utf8; do cp "$(find x -name "$m.ko")" r/lib/more/; done
printf '#!/bin/sh\nfor m; do insmod /lib/more/$m.ko; done\n' >r/bin/more; chmod 755 r/bin/more; : >r/etc/mtab
# Not packed: to unpack a hundred megabytes takes an emulated processor longer than to read them.
(cd r; find . | cpio -o -H newc --quiet) >tools.cpio
{ cat "$MINI"; head -c $(( (4 - $(stat -c %s "$MINI") % 4) % 4 )) /dev/zero; cat tools.cpio; } >"$OUT"; ls -l "$OUT"
