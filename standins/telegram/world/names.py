"""File names as hostile as Telegram lets people send them."""

from __future__ import annotations

_CASE_TWINS = (
    "Readme.TXT",
    "README.txt",
    "readme.txt",
)

_UNICODE_TWINS = (
    "caf\u00e9.mp3",  # é as one code point (NFC)
    "cafe\u0301.mp3",  # e and a combining accent (NFD)
)

HOSTILE_NAMES: tuple[str, ...] = (
    # what a shell would run
    "a$(touch x).mp4",
    "`touch x`.mp4",
    '"; touch x; ".mp4',
    "'; touch x; '.mp4",
    'it\'s "quoted".pdf',
    "a|touch x&touch y.txt",
    "%PATH% !PATH! $HOME.txt",
    "*.*",
    # what a terminal, a log or a line-based format would take for its own
    "line\nbreak\r\n.txt",
    "tab\tand\x07bell.txt",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred.txt",
    "nul\x00byte.txt",
    "\x7f\x9b31m.txt",
    # what leaves the folder
    "../../x",
    "..\\..\\x",
    "/tmp/absolute",
    "C:\\Windows\\absolute.txt",
    "\\\\server\\share\\file.txt",
    "folder/inner.txt",
    ".",
    "..",
    "...",
    "~/home.txt",
    # what a program takes for an option
    "-rf",
    "--config=x",
    # what is hardly there
    "",
    " ",
    "   ",
    "\u200b",
    ".hidden",
    # what Windows can't hold
    "CON",
    "nul.txt",
    "COM1.log",
    "trailing dot.",
    "trailing space ",
    "less<more>colon:pipe|star*question?.txt",
    # what rclone reads or writes in its own way
    "full\uff0fwidth\uff0fslash.txt",
    "control\u240apicture.txt",
    "quote\u201bsign.txt",
    "gdrive:not a remote.txt",
    "double//slash.txt",
    "/leading slash.txt",
    "{braces},[brackets].txt",
    # what Unicode does
    "\U0001f4be\U0001f469\u200d\U0001f4bb.zip",
    "\u202egnp.exe",
    "\u2066isolated\u2069.txt",
    *_UNICODE_TWINS,
    *_CASE_TWINS,
    # what is longer than a file name may be
    "a" * 296 + ".mp4",
    "\u00e9" * 148 + ".mp4",
    "\U0001f4be" * 74 + ".mp4",
    "e" + "\u0301" * 149 + ".mp4",
    "x." + "e" * 298,
)
