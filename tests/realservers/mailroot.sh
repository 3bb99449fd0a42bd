#!/bin/sh
# Run a mail server in a root of its own: its tree over this machine's /usr, accounts, hosts and a spool that nobody
# else has. Called as `unshare --mount sh mailroot.sh ROOT TREE COMMAND...`; the mounts end with the process.
set -e
PATH=$PATH:/usr/sbin:/sbin
root=$1 tree=$2
shift 2
mount -t tmpfs none "$root"
mkdir -p "$root/usr" "$root/etc" "$root/proc" "$root/dev" "$root/tmp" "$root/run" "$root/var/spool" "$root/var/lib" "$root/var/log" "$root/mail"
mount -t overlay -o "lowerdir=$tree/usr:/usr" overlay "$root/usr"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
ln -s ../run "$root/var/run"
mount --bind /dev "$root/dev"
mount -t proc none "$root/proc"
mount --bind "$root.mail" "$root/mail"
cp -r "$root.mail/etc/." "$root/etc"
chmod 1777 "$root/tmp"
exec chroot "$root" "$@"
