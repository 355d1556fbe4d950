#!/bin/bash
# Moves a chat by four shards on a Slurm cluster, each a task of one array job:
#
#   sbatch recipes/slurm.sh
#
# What lies where, and what to know before: docs/recipes.md.
#
#SBATCH --job-name=tdl-sync
#SBATCH --array=1-4
#SBATCH --time=24:00:00
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --output=tdl-sync-%a.log
#SBATCH --open-mode=append
# Slurm itself starts a shard again, on another node, whose node is lost.
#SBATCH --requeue
# A minute before --time is over, to this script alone, which hands it on.
#SBATCH --signal=B:TERM@60
# Else the controller keeps the environment of whoever submits, in clear.
#SBATCH --export=NONE

shards=4 # as many as --array has
shard=$SLURM_ARRAY_TASK_ID
program="$HOME/.local/bin/tdl-sync"
settings="$HOME/.config/tdl-sync/settings.env"
session="$HOME/.config/tdl-sync/sessions/$shard"
# On the node's own disk: records of the program are for no network file system.
own="/tmp/tdl-sync-$(id -un)"
place="$own/$shard"
most_restarts=20

set -u
umask 077
if [ "$(stat -c %a "$session")" != 600 ]; then
    echo "$session: a session opens the account; chmod 600 it" >&2
    exit 2
fi
set -a
. "$settings"
TDL_SYNC_SESSION_STRING=$(cat "$session")
set +a
mkdir -p "$place" || exit
# Anybody may make what has that name: whose it is decides what is written over there, and removed.
# (A link's own mode is 777.)
for each in "$own" "$place"; do
    if [ ! -O "$each" ] || [ "$(stat -c %a "$each")" != 700 ]; then
        echo "$each: another user may have made it, or may write to it; remove it" >&2
        exit 2
    fi
done

running=
stopped=no
trap 'stopped=yes; [ -z "$running" ] || kill -TERM "$running" 2>/dev/null' TERM

# It is done before --time is over, so that what is left shows as status=more.
"$program" --shard "$shard/$shards" --data-dir "$place/data" --staging "$place/staging" \
    --max-runtime "${MAX_RUNTIME:-23h30m}" >"$place/result" &
running=$!
wait "$running"
status=$?
while kill -0 "$running" 2>/dev/null; do # a signal ended the wait, and not the program
    wait "$running"
    status=$?
done
running=
cat "$place/result"

if [ "$status" -eq 0 ]; then
    if ! grep -q '^result: status=more ' "$place/result"; then
        rm -rf "$place"
        exit 0
    fi
    status=75 # else a shard with work left counts as complete
fi
# Held by a run that is gone (5), or to come back later (75): everything else is for a person.
case $status in 5 | 75) ;; *) exit "$status" ;; esac
if [ "${SLURM_RESTART_COUNT:-0}" -ge "$most_restarts" ]; then
    echo "begun $most_restarts times again: it is not any more" >&2
    exit "$status"
fi
sleep "${PAUSE_SECONDS:-300}" &
running=$!
wait "$running"
[ "$stopped" = no ] || exit "$status"
# The last thing: it ends this script. (RequeueExit would be the whole cluster's, and without bound.)
scontrol requeue "$SLURM_JOB_ID"
exit "$status"
