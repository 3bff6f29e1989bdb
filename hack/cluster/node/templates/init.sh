# The first process of the node. It runs in new mount and process namespaces: whatever is mounted from
# here on is seen by no one else, and is gone when the last process is. Arguments: program, then two folders to keep.
# -n keeps mount(8) from noting anything in the host's /run.
set -e
pause=$1; shift
mount -n -t proc proc /proc
mount -n --make-rshared /
# Programs of a node have fixed places for sockets and caches. They get empty ones, not the host's.
exec 3<"$1" 4<"$2"
for hidden in /run /var/lib /var/log; do
  mount -n -t tmpfs -o mode=755 tmpfs "$hidden"
done
n=3
for kept in "$@"; do
  mkdir -p "$kept"
  mount -n --no-canonicalize --bind "/proc/self/fd/$n" "$kept"
  n=$((n + 1))
done
exec 3<&- 4<&-
exec "$pause"
