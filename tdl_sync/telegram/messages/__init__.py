"""What is read and written as messages: chats, their history, the account's list, Saved Messages.
It may import session."""
