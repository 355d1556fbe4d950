"""The wire: keys, transports and messages of MTProto. It knows nothing of chats or calls."""
