"""One run: opens the parts, goes through the chats, resumes, follows, ends in time. It may import
transfer, telegram, remote, state, reporting, options and core."""
