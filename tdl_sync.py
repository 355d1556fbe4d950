from tdl_sync.__main__ import start_program

start_program()
