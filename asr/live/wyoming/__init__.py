"""The Wyoming protocol: its server, and how Home Assistant learns of it."""
