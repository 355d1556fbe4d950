from tdl_sync.cli.main import run_program

run_program()
