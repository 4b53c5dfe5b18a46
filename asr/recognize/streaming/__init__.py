"""Live recognition: samples in as they come, committed and partial text out."""
