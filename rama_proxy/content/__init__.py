"""Bodies and handshakes made readable: pure functions, no screen and no network."""
