"""What a user calls beside a run: chats, status, verify, dry run, doctor, login. It may import run
and all that lies below."""
