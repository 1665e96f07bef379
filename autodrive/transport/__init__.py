"""How images travel between processes on one host without being copied."""
