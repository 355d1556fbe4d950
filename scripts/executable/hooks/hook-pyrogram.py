"""The library for Telegram is under the LGPL: whoever has the program may put another one in its
place. So it lies there as the files that it is made of, and not in PyInstaller's archive."""

from PyInstaller.utils.hooks import collect_data_files

module_collection_mode = "py"
datas = collect_data_files("pyrogram")
