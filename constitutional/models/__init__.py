"""Models that answer chats and choose between options, whatever serves them."""
