"""What earlier versions of the program have written, and the promise that this one reads it.

Each folder ``v…`` here was written by that version, with ``write.py``, and is never written again:
the tests read what is committed, since a file that is made anew by the code under test proves
nothing. Where the tests also write, they compare with the newest version's folder byte for byte.

A version that writes anything in another way, or writes something new, adds a folder beside the
others: raise ``tdl_sync.core.program.VERSION``, add to ``values_….py`` what is new, and run

    .venv/bin/python -m tests.kept.write

It never touches a folder that is there. The tests then hold for both.
"""
